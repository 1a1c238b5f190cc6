"""The main job: trains a controller on a task. Killed at any moment, it resumes to the same end."""

from __future__ import annotations

import gin
from learned_lr.agents import environment, ppo
from learned_lr.execution import configured, seeds
from learned_lr.execution.run_directory import RunDirectory
from learned_lr.execution.workers import Workers
from learned_lr.jobs import comparison, controller_folders
from learned_lr.jobs.training_run import TrainingRun
from learned_lr.trainees import spend


@gin.configurable("train")
def train(
    run: RunDirectory,
    num_iterations: int = gin.REQUIRED,
    episodes_per_iteration: int = 2,
    evaluation_interval: int = 5,
    num_evaluation_episodes: int = 2,
    curves_interval: int = 5,
    seed: int = 0,
    initial_controller: str | None = None,
) -> str:
    """Trains a controller, keeps the best by validation loss, compares it with plain schedules.

    It ends as `evaluate` does, and leaves the same tables (`comparison.compare`), but on seeds
    for development: what they show may be looked at as often as one likes.

    Args:
      run: the run directory.
      num_iterations: PPO updates.
      episodes_per_iteration: episodes an update learns from.
      evaluation_interval: iterations between greedy evaluations; the last always has one.
      num_evaluation_episodes: episodes of an evaluation, on seeds of their own; the
        controller with the least mean of their best validation losses is exported.
      curves_interval: TensorBoard shows the curves of every so many-th training episode.
      seed: of the controller's initial weights and of all episodes, in [0, 10000).
      initial_controller: what training starts from: the name of one of the package's
        controllers, or a folder, relative to the root directory or to the working directory.
        Features, network, action and base schedule are then the controller's own, whatever
        the configuration says of them, its normaliser stays as it is, and a copy of it is
        kept in the run directory. It is evaluated as iteration 0, so that it is exported where
        no update is better. None for random weights.

    Returns:
      The comparison as a Markdown table.
    """
    for name, value in (
        ("num_iterations", num_iterations),
        ("episodes_per_iteration", episodes_per_iteration),
        ("evaluation_interval", evaluation_interval),
        ("num_evaluation_episodes", num_evaluation_episodes),
        ("curves_interval", curves_interval),
    ):
        if value < 1:
            raise ValueError(f"Expected train.{name} >= 1, found {value!r}.")
    task = configured.task()
    environment_config = gin.get_configurable(environment.EnvironmentConfig)()
    ppo_config = gin.get_configurable(ppo.PPOConfig)()
    workers_config = configured.workers()
    compared, num_seeds = gin.get_configurable(comparison.plain_schedules)()
    seeds.training_seed(seed, num_iterations * episodes_per_iteration - 1)
    config = gin.operative_config_str()
    evaluation_seeds = [seeds.development_seed(index) for index in range(num_seeds)]
    initial = None
    if initial_controller is not None:
        initial = controller_folders.load_initial(
            run,
            initial_controller,
            task.num_decisions,
            "train.initial_controller",
            "task.trainee_steps_per_action",
        )
        environment_config = environment.EnvironmentConfig.of_controller(
            initial.spec, environment_config.reward
        )
        ppo_config = ppo_config.of_network(initial.spec)
    run.begin(config, {"run": seed, "evaluation": evaluation_seeds})
    if run.is_finished:
        return run.finished_message(comparison.SUMMARY)
    if initial is not None:
        controller_folders.keep_initial(run, initial)
    with Workers(workers_config) as workers:
        job = TrainingRun(
            run,
            workers,
            task,
            environment_config,
            ppo_config,
            seed,
            curves_interval,
            initial,
        )
        job.tensorboard.write_config(config)
        job.run_iterations(
            num_iterations,
            episodes_per_iteration,
            evaluation_interval,
            num_evaluation_episodes,
        )
        controller = job.export_best()
        table = ""
        if evaluation_seeds:
            table = job.compare(controller, compared, evaluation_seeds)
    num_episodes = num_iterations * episodes_per_iteration
    num_evaluations = -(-num_iterations // evaluation_interval)
    num_evaluations += initial is not None
    num_runs = num_episodes + num_evaluations * num_evaluation_episodes
    run.finish(
        **controller.spec.provenance,
        num_runs=num_runs,
        num_trainee_steps=num_runs * task.num_trainee_steps,
        num_gradient_samples=spend.of_runs(task, num_runs),
        cpu_sec=job.cpu_sec(),
    )
    return table
