"""The rounds of an imitation: label, fit, evaluate. Everything but the episodes is computed anew by a resumed run."""

from __future__ import annotations

import dataclasses

import numpy as np
import tqdm

from learned_lr.agents import imitation, imitation_fit
from learned_lr.control.base_schedules import BaseSchedule
from learned_lr.control.controller import Controller
from learned_lr.execution import cache, seeds
from learned_lr.execution.csv_tables import CsvTable
from learned_lr.execution.run_directory import RunDirectory
from learned_lr.execution.workers import Workers
from learned_lr.jobs import controller_folders, family_runs, regrets
from learned_lr.trainees import families
from learned_lr.trainees.episode import SUMMARY_COLUMNS

EPISODE_COLUMNS = ("round", "task", "rate_multiplier", *SUMMARY_COLUMNS, "regret")
EVALUATION_COLUMNS = ("round", *family_runs.COLUMNS)
ROUND_COLUMNS = (
    "round",
    "num_episodes",
    "num_decisions",
    "fitting_loss",
    "explained_variance",
    "mean_regret",
    "median_regret",
    "worst_regret",
)
SUMMARY = "imitation.md"


def teacher_levels(peak: float, task, base_schedule, tuned: BaseSchedule):
    """Returns the level that leads to the tuned schedule at each decision; one alone if it is the same at all.

    Args:
      peak: float > 0, of the task's tuned schedule.
      task: a task.
      base_schedule: what the controller scales. None for the rate itself, which then has to be
        the tuned schedule's in the middle of each interval.
      tuned: the schedule that the references tuned.
    """
    if base_schedule is not None:
        return (peak,)
    interval, num_steps = task.trainee_steps_per_action, task.num_trainee_steps
    middles = range(interval // 2, num_steps, interval)
    return tuple(peak * tuned.multiplier(step, num_steps) for step in middles)


class Rounds:
    """The state of one imitation between rounds."""

    def __init__(
        self,
        run: RunDirectory,
        training: dict,
        selection: dict,
        references: regrets.References,
        environment_config,
        config: imitation.ImitationConfig,
        tuned: BaseSchedule,
        max_multiplier: float,
        num_episodes: int,
        seed: int,
    ):
        """Takes training and selection tasks by name; the references have both, by tuning `tuned`."""
        self._run, self._references, self._seed = run, references, seed
        self._training, self._selection = training, selection
        self._environment_config, self._config = environment_config, config
        self._tuned = tuned
        self._max_multiplier, self._num_episodes = max_multiplier, num_episodes
        self._labelled: dict[str, list[imitation.LabelledEpisodes]] = {}
        self._episodes: list[dict] = []
        self._evaluations: list[dict] = []
        self._rounds: list[dict] = []
        self._ledger = family_runs.Ledger(references)

    def run_all(
        self, workers: Workers, spec, num_rounds, num_tasks, num_evaluation_episodes
    ) -> None:
        """Runs all rounds.

        Args:
          workers: run the episodes.
          spec: of the controllers.
          num_rounds: int > 0, rounds.
          num_tasks: int > 0, training tasks of a round; None for all.
          num_evaluation_episodes: int > 0, greedy runs of each selection task and round.
        """
        num_tasks = min(num_tasks or len(self._training), len(self._training))
        selection = family_runs.SelectionTasks(
            self._run,
            self._selection,
            self._ledger,
            self._seed,
            num_evaluation_episodes,
        )
        total = num_rounds * (num_tasks + len(self._selection))
        controller = imitation.untrained(spec, self._config.action_deviation)
        with tqdm.tqdm(total=total, desc="imitate", unit="task", mininterval=1) as bar:
            for number in range(1, num_rounds + 1):
                self._label(workers, number, controller, num_tasks, bar)
                spec = dataclasses.replace(spec, provenance={"round": number})
                controller, fit = imitation_fit.fit(
                    spec, self._config, self._labelled, self._seed
                )
                self._run.save_controller(f"controllers/round_{number:02d}", controller)
                rows, found = selection.evaluate(
                    workers, controller, f"greedy_{number:02d}", bar.update
                )
                self._evaluations += [{"round": number, **row} for row in rows]
                self._end_round(number, fit, found)
                bar.set_postfix_str(f"mean regret {np.mean(found):.3f}")

    def _label(self, workers, number, controller, num_tasks, bar):
        names = sorted(self._training)
        rng = np.random.default_rng([self._seed, number])
        drawn = sorted(rng.choice(len(names), num_tasks, replace=False).tolist())
        drawn = [names[index] for index in drawn]
        num_episodes = self._num_episodes
        first = (number - 1) * num_tasks * num_episodes
        runs = [
            [
                (seed, families.draw_multiplier(self._max_multiplier, seed))
                for seed in self._training_seeds(first + index * num_episodes)
            ]
            for index in range(num_tasks)
        ]
        found = cache.map_episodes(
            self._run,
            workers,
            imitation.label_episodes,
            [
                (
                    controller,
                    self._training[name],
                    self._environment_config,
                    self._config.action_deviation,
                    teacher_levels(
                        self._references.peak(name),
                        self._training[name],
                        self._environment_config.base_schedule,
                        self._tuned,
                    ),
                    runs_of_task,
                )
                for name, runs_of_task in zip(drawn, runs)
            ],
            [f"round_{number:02d}_{name}" for name in drawn],
            imitation.LabelledEpisodes,
            lambda index, items: bar.update(),
            drawn,
        )
        for name, items in zip(drawn, found):
            self._labelled.setdefault(name, []).append(items)
            multipliers = items.rate_multipliers.tolist()
            for multiplier, episode in zip(multipliers, items.group.episodes):
                row = {"round": number, "rate_multiplier": multiplier}
                self._episodes.append({**row, **self._ledger.enter(name, episode)})

    def _training_seeds(self, first):
        indices = range(first, first + self._num_episodes)
        return [seeds.training_seed(self._seed, index) for index in indices]

    def _end_round(self, number, fit, found):
        items = [items for groups in self._labelled.values() for items in groups]
        self._rounds.append(
            {
                "round": number,
                "num_episodes": sum(len(item.actions) for item in items),
                "num_decisions": sum(item.actions.size for item in items),
                **fit,
                **regrets.figures(found),
            }
        )
        for name, columns, rows in (
            ("episodes.csv", EPISODE_COLUMNS, self._episodes),
            ("evaluations.csv", EVALUATION_COLUMNS, self._evaluations),
            ("imitation.csv", ROUND_COLUMNS, self._rounds),
        ):
            CsvTable(self._run, name, columns).write(rows)

    def export_best(self) -> Controller:
        """Writes `controller/`: that of the round with the least mean regret on selection tasks.

        The first round is no candidate if there are others: its fit knows the runs of the base
        schedule alone, and none that a controller of its kind leads to.
        """
        candidates = self._rounds[1:] or self._rounds
        best = min(candidates, key=lambda row: row["mean_regret"])
        figures = {
            name: best[name] for name in ("round", "mean_regret", "worst_regret")
        }
        name = f"round_{best['round']:02d}"
        return controller_folders.export(self._run, name, self._seed, figures)

    def costs(self) -> dict[str, float]:
        """Returns the number of runs and of trainee steps, and their processor seconds."""
        return self._ledger.costs()

    def summary(self) -> str:
        """Returns the regrets on the selection tasks, a round a row, beside the calibrated cosine's."""
        return family_runs.summary(
            {f"round {row['round']}": row for row in self._rounds},
            self._references,
            list(self._training),
            sorted(self._selection),
        )
