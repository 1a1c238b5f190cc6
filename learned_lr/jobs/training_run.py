"""The iterations of a training: collect, update, evaluate, keep; and what is exported and compared at its end."""

from __future__ import annotations

import collections
import json
import math
import time
from typing import Any

import numpy as np
import tqdm

from learned_lr.agents import collection, ppo
from learned_lr.control.controller import Controller
from learned_lr.execution import cache, seeds
from learned_lr.execution.checkpoints import Checkpoints
from learned_lr.execution.csv_tables import CsvTable
from learned_lr.execution.run_directory import RunDirectoryError
from learned_lr.jobs import comparison, controller_folders
from learned_lr.jobs.tensorboard import TensorBoard
from learned_lr.trainees import adaptive_schedules
from learned_lr.trainees.episode import SUMMARY_COLUMNS, Episode, run_episode

_EPISODE_FIGURES = SUMMARY_COLUMNS[1:]  # The seed has a place of its own.
EPISODE_COLUMNS = ("iteration", "episode", "seed", "return", *_EPISODE_FIGURES)
UPDATE_COLUMNS = (
    "policy_loss",
    "value_loss",
    "entropy_loss",
    "clip_fraction",
    "kl",
    "action_deviation",
)
ITERATION_COLUMNS = ("iteration", "mean_return", *UPDATE_COLUMNS)
EVALUATION_COLUMNS = ("iteration", "seed", *_EPISODE_FIGURES)
_TIMINGS = "timings.jsonl"


class TrainingRun:
    """The state of one training job between iterations.

    Attributes:
      tensorboard: what it writes for TensorBoard.
    """

    def __init__(
        self,
        run,
        workers,
        task,
        environment_config,
        ppo_config,
        seed,
        curves_interval,
        initial,
    ):
        self._run, self._workers, self._task, self._seed = run, workers, task, seed
        self._environment_config = environment_config
        self._curves_interval = curves_interval
        self._starts_from_a_controller = initial is not None
        # A worker loads the data: what is missing or wrong shows here, at once.
        ((_, cap),) = workers.map(collection.loss_cap, [(task,)])
        self._trainer = ppo.PPOTrainer(
            ppo_config, environment_config, task, cap, seed, initial
        )
        self._checkpoints = Checkpoints(run, self._trainer.checkpoint)
        self._iterations = CsvTable(run, "iterations.csv", ITERATION_COLUMNS)
        self._episodes = CsvTable(run, "episodes.csv", EPISODE_COLUMNS)
        self._evaluations = CsvTable(run, "evaluations.csv", EVALUATION_COLUMNS)
        self.tensorboard = TensorBoard(run.file("tensorboard"))

    def run_iterations(
        self,
        num_iterations,
        episodes_per_iteration,
        evaluation_interval,
        num_evaluation_episodes,
    ):
        """Runs what is left of the iterations, from the last whole checkpoint on."""
        done = self._checkpoints.restore_latest()
        for table in (self._iterations, self._episodes, self._evaluations):
            table.keep(lambda row: int(row["iteration"]) <= done)
        total = num_iterations * episodes_per_iteration
        with _progress(total, "training", done * episodes_per_iteration) as bar:
            if self._starts_from_a_controller and not done:
                # What it starts from is a candidate, too.
                self._evaluations.keep(lambda row: False)
                self._evaluate(0, num_evaluation_episodes, bar)
            for iteration in range(done + 1, num_iterations + 1):
                timing = self._run_iteration(iteration, episodes_per_iteration, bar)
                last = iteration == num_iterations
                if last or iteration % evaluation_interval == 0:
                    episodes = self._evaluate(iteration, num_evaluation_episodes, bar)
                    timing["cpu_sec"] += sum(e.cpu_sec for e in episodes)
                self._write_timing(iteration, **timing)
                self._checkpoints.save(iteration)

    def _run_iteration(self, iteration, num_episodes, bar):
        start = time.perf_counter()
        first = (iteration - 1) * num_episodes
        numbers = range(first, first + num_episodes)
        controller = self._trainer.controller()
        calls = [
            (
                controller,
                self._task,
                self._environment_config,
                seeds.training_seed(self._seed, number),
            )
            for number in numbers
        ]

        def show(index, collected):
            bar.update()
            bar.set_postfix_str(_postfix(collected))

        collected = cache.map_episodes(
            self._run,
            self._workers,
            collection.collect_episode,
            calls,
            [_training_name(number) for number in numbers],
            collection.CollectedEpisode,
            show,
        )
        collected_at = time.perf_counter()
        losses = self._trainer.update(collected)
        updated_at = time.perf_counter()
        for number, item in zip(numbers, collected):
            row = {"iteration": iteration, "episode": number, "return": _return(item)}
            self._episodes.append({**row, **item.episode.summary()})
            if number % self._curves_interval == 0:
                self.tensorboard.write_episode(f"episode_{number:06d}", item.episode)
        mean_return = float(np.mean([_return(item) for item in collected]))
        self._iterations.append(
            {"iteration": iteration, "mean_return": mean_return, **losses}
        )
        scalars = {f"ppo/{name}": value for name, value in losses.items()}
        self.tensorboard.write_iteration(
            iteration, {"controller/mean_return": mean_return, **scalars}
        )
        return {
            "collect_sec": collected_at - start,
            "update_sec": updated_at - collected_at,
            "cpu_sec": sum(item.episode.cpu_sec for item in collected),
        }

    def _evaluate(self, iteration, num_episodes, bar):
        controller = self._trainer.controller({"iteration": iteration})
        evaluation_seeds = [
            seeds.selection_seed(self._seed, index) for index in range(num_episodes)
        ]
        bar.set_description_str("evaluating")
        episodes = cache.map_episodes(
            self._run,
            self._workers,
            run_episode,
            [
                (self._task, adaptive_schedules.Learned(controller), seed, False)
                for seed in evaluation_seeds
            ],
            [_greedy_name(iteration, index) for index in range(num_episodes)],
            Episode,
        )
        bar.set_description_str("training")
        for episode in episodes:
            self._evaluations.append({"iteration": iteration, **episode.summary()})
        self.tensorboard.write_greedy(
            iteration, episodes, f"{self._task.name}, iteration {iteration}"
        )
        losses = [episode.best_validation_loss for episode in episodes]
        self.tensorboard.write_iteration(
            iteration, {"controller/greedy_best_validation_loss": np.mean(losses)}
        )
        self._run.save_controller(f"controllers/iteration_{iteration:06d}", controller)
        return episodes

    def cpu_sec(self) -> float:
        """Returns the processor seconds of all episodes that it learned from and chose by; NaN if one is lost."""
        names = [_training_name(int(row["episode"])) for row in self._episodes.rows()]
        evaluated = collections.Counter(
            int(row["iteration"]) for row in self._evaluations.rows()
        )
        for iteration, num_episodes in evaluated.items():
            names += [_greedy_name(iteration, index) for index in range(num_episodes)]
        found = [cache.read_episode(self._run, name, Episode) for name in names]
        return sum(math.nan if e is None else e.cpu_sec for e in found)

    def export_best(self) -> Controller:
        """Writes `controller/`: the evaluated controller with the best validation loss."""
        losses: dict[int, list[float]] = {}
        for row in self._evaluations.rows():
            loss = float(row["best_validation_loss"])
            losses.setdefault(int(row["iteration"]), []).append(loss)
        if not losses:
            raise RunDirectoryError(
                f"Expected {self._run.file('evaluations.csv')} to hold the evaluations that the checkpoint says were run, "
                f"found none. Without {self._run.file('checkpoints')} the same command makes it again from the "
                "episodes, which are kept."
            )
        best = min(losses, key=lambda iteration: np.mean(losses[iteration]))
        figures = {
            "iteration": best,
            "validation_loss": float(np.mean(losses[best])),
        }
        name = f"iteration_{best:06d}"
        return controller_folders.export(self._run, name, self._seed, figures)

    def compare(self, controller: Controller, compared, evaluation_seeds) -> str:
        """Ends with the controller beside plain schedules; returns the table as Markdown."""
        learned = adaptive_schedules.Learned(controller)
        compared = {learned.name: learned, **compared}
        total = len(comparison.episode_names(compared, evaluation_seeds))
        with _progress(total, "comparing") as bar:
            table, _ = comparison.compare(
                self._run,
                self._workers,
                self._task,
                compared,
                evaluation_seeds,
                learned.name,
                lambda episode: bar.update(),
            )
        return table

    def _write_timing(self, iteration, **durations):
        with open(self._run.file(_TIMINGS), "a", encoding="utf-8") as file:
            file.write(json.dumps({"iteration": iteration, **durations}) + "\n")


def _training_name(number: int) -> str:
    return f"training_{number:06d}"


def _greedy_name(iteration: int, index: int) -> str:
    return f"greedy_{iteration:06d}_{index}"


def _return(collected) -> float:
    return float(np.sum(collected.rewards))


def _postfix(collected) -> str:
    episode = collected.episode
    return (
        f"return {_return(collected):.2f}, validation loss best "
        f"{episode.best_validation_loss:.4f} final {episode.final_validation_loss:.4f}"
    )


def _progress(total: int, description: str, initial: int = 0) -> Any:
    return tqdm.tqdm(
        total=total, initial=initial, desc=description, unit="episode", mininterval=1
    )
