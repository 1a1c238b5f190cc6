"""The iterations of PPO over a family of tasks. Everything but the episodes is computed anew by a resumed run."""

from __future__ import annotations

from typing import Any

import numpy as np
import tqdm

from learned_lr.agents import groups, ppo
from learned_lr.agents.collection import CollectedEpisode, collect_episode
from learned_lr.agents.environment import EnvironmentConfig
from learned_lr.control.controller import Controller
from learned_lr.execution import cache, seeds
from learned_lr.execution.csv_tables import CsvTable
from learned_lr.execution.run_directory import RunDirectory
from learned_lr.execution.workers import Workers
from learned_lr.jobs import controller_folders, family_runs, regrets
from learned_lr.jobs.training_run import ITERATION_COLUMNS
from learned_lr.trainees import families

EPISODE_COLUMNS = ("iteration", "rate_multiplier", "return", *family_runs.COLUMNS)
EVALUATION_COLUMNS = ("iteration", *family_runs.COLUMNS)
CHOICE_COLUMNS = (
    "iteration",
    "num_episodes",
    "mean_regret",
    "median_regret",
    "worst_regret",
)
SUMMARY = "meta_training.md"


class FamilyTraining:
    """The state of one training between iterations."""

    def __init__(
        self,
        run: RunDirectory,
        workers: Workers,
        training: dict[str, Any],
        selection: dict[str, Any],
        references: regrets.References,
        environment_config: EnvironmentConfig,
        trainer: ppo.PPOTrainer,
        max_multiplier: float,
        seed: int,
        num_evaluation_episodes: int,
    ):
        """Takes training and selection tasks by name; the references have both."""
        self._run, self._workers, self._seed = run, workers, seed
        self._training, self._references = training, references
        self._selection = selection
        self._environment_config, self._trainer = environment_config, trainer
        self._max_multiplier = max_multiplier
        self._ledger = family_runs.Ledger(references)
        self._selection_tasks = family_runs.SelectionTasks(
            run, selection, self._ledger, seed, num_evaluation_episodes
        )
        self._iterations: list[dict] = []
        self._episodes: list[dict] = []
        self._evaluations: list[dict] = []
        self._choices: list[dict] = []

    def run_all(
        self,
        num_iterations: int,
        num_tasks: int,
        num_pairs: int,
        evaluation_interval: int,
    ) -> None:
        """Runs all iterations, and evaluates what they start from as iteration 0."""
        total = num_iterations * num_tasks * 2 * num_pairs
        with tqdm.tqdm(
            total=total, desc="meta_train", unit="episode", mininterval=1
        ) as bar:
            self._evaluate(0, bar)
            for iteration in range(1, num_iterations + 1):
                self._iterate(iteration, num_tasks, num_pairs, bar)
                last = iteration == num_iterations
                if last or iteration % evaluation_interval == 0:
                    self._evaluate(iteration, bar)
                self._write_tables()

    def _iterate(self, iteration, num_tasks, num_pairs, bar):
        controller, drawn = self._trainer.controller(), self.drawn(iteration, num_tasks)
        calls, names = [], []
        for index, name in enumerate(drawn):
            number = (iteration - 1) * num_tasks + index
            seed = seeds.training_seed(self._seed, number)
            task = self._training[name]
            shared = controller, task, self._environment_config, seed
            multiplier = families.draw_multiplier(self._max_multiplier, seed)
            noises = groups.antithetic_noise(seed, num_pairs, task.num_decisions)
            calls += [(*shared, multiplier, noise) for noise in noises]
            names += [name] * len(noises)
        collected = cache.map_episodes(
            self._run,
            self._workers,
            collect_episode,
            calls,
            [f"training_{iteration:04d}_{number:03d}" for number in range(len(calls))],
            CollectedEpisode,
            lambda index, item: bar.update(),
            names,
        )
        for name, item, (*_, multiplier, _) in zip(names, collected, calls):
            row = {"iteration": iteration, "rate_multiplier": multiplier}
            row["return"] = float(np.sum(item.rewards))
            self._episodes.append({**row, **self._ledger.enter(name, item.episode)})
        size, compared = 2 * num_pairs, []
        for index, name in enumerate(drawn):
            group = collected[index * size : (index + 1) * size]
            compared += groups.against_other_pairs(group, self._references.spread(name))
        losses = self._trainer.update(compared)
        returns = [row["return"] for row in self._episodes[-len(collected) :]]
        self._iterations.append(
            {"iteration": iteration, "mean_return": float(np.mean(returns)), **losses}
        )

    def drawn(self, iteration: int, num_tasks: int) -> list[str]:
        """Returns the training tasks of an iteration: all have their turn before one has its second."""
        names, found = sorted(self._training), []
        first = (iteration - 1) * num_tasks
        for position in range(first, first + num_tasks):
            turn, place = divmod(position, len(names))
            order = np.random.default_rng([self._seed, turn, 6]).permutation(len(names))
            found.append(names[order[place]])
        return found

    def _evaluate(self, iteration, bar):
        controller = self._trainer.controller({"iteration": iteration})
        self._run.save_controller(_folder(iteration), controller)
        bar.set_description_str("evaluating")
        rows, found = self._selection_tasks.evaluate(
            self._workers, controller, f"greedy_{iteration:04d}"
        )
        bar.set_description_str("meta_train")
        bar.set_postfix_str(f"mean regret {np.mean(found):.3f}")
        self._evaluations += [{"iteration": iteration, **row} for row in rows]
        choice = {"iteration": iteration, "num_episodes": len(self._episodes)}
        self._choices.append({**choice, **regrets.figures(found)})

    def _write_tables(self):
        for name, columns, rows in (
            ("updates.csv", ITERATION_COLUMNS, self._iterations),
            ("episodes.csv", EPISODE_COLUMNS, self._episodes),
            ("evaluations.csv", EVALUATION_COLUMNS, self._evaluations),
            ("meta_training.csv", CHOICE_COLUMNS, self._choices),
        ):
            CsvTable(self._run, name, columns).write(rows)

    def export_best(self) -> Controller:
        """Writes `controller/`: the evaluated controller with the least mean regret on the selection tasks."""
        best = min(self._choices, key=lambda row: row["mean_regret"])
        figures = {n: best[n] for n in ("iteration", "mean_regret", "worst_regret")}
        name = _folder(best["iteration"]).rpartition("/")[-1]
        return controller_folders.export(self._run, name, self._seed, figures)

    def costs(self) -> dict[str, float]:
        """Returns the number of runs and of trainee steps, and their processor seconds."""
        return self._ledger.costs()

    def summary(self) -> str:
        """Returns the regrets on the selection tasks, an evaluation a row, beside the calibrated cosine's."""
        return family_runs.summary(
            {f"iteration {row['iteration']}": row for row in self._choices},
            self._references,
            list(self._training),
            sorted(self._selection),
        )


def _folder(iteration):
    return f"controllers/iteration_{iteration:04d}"
