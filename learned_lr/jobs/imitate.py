"""Imitation over a family of tasks (DAgger). Killed at any moment, it resumes to the same end."""

from __future__ import annotations

import gin
from learned_lr.agents import environment, imitation
from learned_lr.control.observations import ObservationSpec
from learned_lr.execution import configured, seeds
from learned_lr.execution.run_directory import RunDirectory
from learned_lr.execution.workers import Workers
from learned_lr.jobs import family_runs, regrets
from learned_lr.jobs.imitation_rounds import SUMMARY, Rounds


@gin.configurable("imitate")
def imitate(
    run: RunDirectory,
    references: str = gin.REQUIRED,
    num_rounds: int = 7,
    num_tasks_per_round: int | None = None,
    num_episodes_per_task: int = 1,
    num_evaluation_episodes: int = 1,
    seed: int = 0,
) -> str:
    """Rounds of labelled episodes, a fit and an evaluation; keeps the controller of least regret.

    Round 1 is run by a controller that does nothing but follow the base schedule, each
    later one by that of the round before; each fits anew to the episodes of all rounds.

    Leaves `imitation.csv` (a row a round), `episodes.csv`, `evaluations.csv`,
    `controllers/round_NN`, `controller/`, `imitation.md`, and a copy of the references.

    Args:
      run: the run directory.
      references: the run directory of the job `references`, under the root directory.
      num_rounds: rounds.
      num_tasks_per_round: training tasks of a round, drawn anew every round; None for all.
      num_episodes_per_task: labelled episodes of each of these in a round; one process runs
        them, so that a second one costs no tracing.
      num_evaluation_episodes: greedy runs of each selection task after every round, on
        seeds of their own.
      seed: of the fits and of all episodes, in [0, 10000).

    Returns:
      The regrets as a Markdown table.
    """
    for name, value in (
        ("num_rounds", num_rounds),
        ("num_tasks_per_round", num_tasks_per_round),
        ("num_episodes_per_task", num_episodes_per_task),
        ("num_evaluation_episodes", num_evaluation_episodes),
    ):
        if value is not None and value < 1:
            raise ValueError(f"Expected imitate.{name} >= 1, found {value!r}.")
    family = configured.family()
    training, selection = family_runs.training_and_selection(family)
    environment_config = gin.get_configurable(environment.EnvironmentConfig)()
    config = gin.get_configurable(imitation.ImitationConfig)()
    tuned = configured.base_schedule()
    workers_config = configured.workers()
    family_runs.check_transform(environment_config.transform)
    if not environment_config.act_before_first_interval:
        raise ValueError(
            "Expected environment.act_before_first_interval = True, found False: a teacher "
            "is asked before every interval."
        )
    num_drawn = min(num_tasks_per_round or len(training), len(training))
    seeds.training_seed(seed, num_rounds * num_drawn * num_episodes_per_task - 1)
    run.begin(gin.operative_config_str(), {"run": seed})
    if run.is_finished:
        return run.finished_message(SUMMARY)
    names = [*training, *selection]
    found = regrets.References.of_run(run, references, names)
    spec = _spec(environment_config, config, training)
    rounds = Rounds(
        run,
        training,
        selection,
        found,
        environment_config,
        config,
        tuned,
        family.max_multiplier,
        num_episodes_per_task,
        seed,
    )
    with Workers(workers_config) as workers:
        rounds.run_all(
            workers, spec, num_rounds, num_tasks_per_round, num_evaluation_episodes
        )
    controller = rounds.export_best()
    summary = rounds.summary()
    run.write(SUMMARY, summary.encode())
    run.finish(**controller.spec.provenance, **rounds.costs())
    return summary


def _spec(environment_config, config, tasks):
    """The controller's spec."""
    return environment_config.controller_spec(
        # No relative feature is in units of a task: the cap of the losses has no part in it.
        ObservationSpec.max_loss,
        family_runs.typical(tasks.values()),
        network=config.network,
        num_units=config.num_networks * config.num_units,
        activation="tanh",
        source_tasks=tuple(sorted(tasks)),
    )
