"""PPO over a family of tasks. Killed at any moment, it resumes to the same end."""

from __future__ import annotations

import gin
from learned_lr.agents import environment, ppo
from learned_lr.control.observations import ObservationSpec
from learned_lr.execution import configured, seeds
from learned_lr.execution.run_directory import RunDirectory
from learned_lr.execution.workers import Workers
from learned_lr.jobs import controller_folders, family_runs, regrets
from learned_lr.jobs.family_training import SUMMARY, FamilyTraining

# What is added up is the logarithm of a loss, in whose spreads over a task's rates groups are compared.
_REWARDS = ("log_validation_loss_decrease", "log_best_validation_loss_decrease")


@gin.configurable("meta_train")
def meta_train(
    run: RunDirectory,
    references: str = gin.REQUIRED,
    num_iterations: int = 30,
    num_tasks_per_iteration: int = 8,
    num_pairs_per_task: int = 2,
    evaluation_interval: int = 15,
    num_evaluation_episodes: int = 3,
    seed: int = 0,
    initial_controller: str | None = None,
) -> str:
    """PPO updates, each from groups of episodes on some of the tasks; keeps the controller of least regret.

    The episodes of a group share a task, a seed and a hidden multiplier; the noise on their actions comes in
    antithetic pairs. Rewards count against the mean of the group's other pairs, in units of the task's own spread, so
    that all tasks weigh alike; nobody tells the controller what a good rate is.

    Leaves `meta_training.csv` (a row an evaluation), `updates.csv`, `episodes.csv`, `evaluations.csv`,
    `controllers/iteration_NNNN`, `controller/`, `meta_training.md`, and a copy of the references.

    Args:
      run: the run directory.
      references: the run directory of the job `references`, under the root directory: the regrets by which a
        controller is chosen, and the spreads of the tasks.
      num_iterations: PPO updates.
      num_tasks_per_iteration: training tasks that an update learns from; all have their turn before one has its
        second.
      num_pairs_per_task: antithetic pairs of episodes of each of these, at least 2.
      evaluation_interval: iterations between evaluations; what is started from has one, and the last.
      num_evaluation_episodes: greedy runs of each selection task in an evaluation, on seeds of their own.
      seed: of the controller's initial weights and of all episodes, in [0, 10000).
      initial_controller: as of `train`: what training starts from; None for random weights.

    Returns:
      The regrets as a Markdown table.
    """
    for name, value, least in (
        ("num_iterations", num_iterations, 1),
        ("num_tasks_per_iteration", num_tasks_per_iteration, 1),
        ("num_pairs_per_task", num_pairs_per_task, 2),  # One is the other's baseline.
        ("evaluation_interval", evaluation_interval, 1),
        ("num_evaluation_episodes", num_evaluation_episodes, 1),
    ):
        if value < least:
            raise ValueError(f"Expected meta_train.{name} >= {least}, found {value!r}.")
    family = configured.family()
    training, selection = family_runs.training_and_selection(family)
    environment_config = gin.get_configurable(environment.EnvironmentConfig)()
    ppo_config = gin.get_configurable(ppo.PPOConfig)()
    configured.base_schedule()  # The references', which are checked against it.
    workers_config = configured.workers()
    seeds.training_seed(seed, num_iterations * num_tasks_per_iteration - 1)
    initial, transform_name = None, "environment.transform"
    if initial_controller is not None:
        owner = "meta_train.initial_controller"
        transform_name = f"the transform of {owner}"
        initial = controller_folders.load_initial(
            run,
            initial_controller,
            family.num_decisions,
            owner,
            "family.num_decisions",
        )
        environment_config = environment.EnvironmentConfig.of_controller(
            initial.spec, environment_config.reward
        )
        ppo_config = ppo_config.of_network(initial.spec)
    family_runs.check_transform(environment_config.transform, transform_name)
    if environment_config.reward not in _REWARDS:
        raise ValueError(
            f"Expected environment.reward, which is counted in spreads of logarithms, to be one of {list(_REWARDS)}, "
            f"found {environment_config.reward!r}."
        )
    run.begin(gin.operative_config_str(), {"run": seed})
    if run.is_finished:
        return run.finished_message(SUMMARY)
    if initial is not None:
        controller_folders.keep_initial(run, initial)
    found = regrets.References.of_run(run, references, [*training, *selection])
    trainer = ppo.PPOTrainer(
        ppo_config,
        environment_config,
        family_runs.typical(training.values()),
        # No relative feature is in units of a task: the cap of the losses has no part in it.
        ObservationSpec.max_loss,
        seed,
        initial,
        source_tasks=tuple(sorted(training)),
    )
    with Workers(workers_config) as workers:
        job = FamilyTraining(
            run,
            workers,
            training,
            selection,
            found,
            environment_config,
            trainer,
            family.max_multiplier,
            seed,
            num_evaluation_episodes,
        )
        job.run_all(
            num_iterations,
            num_tasks_per_iteration,
            num_pairs_per_task,
            evaluation_interval,
        )
    controller = job.export_best()
    summary = job.summary()
    run.write(SUMMARY, summary.encode())
    run.finish(**controller.spec.provenance, **job.costs())
    return summary
