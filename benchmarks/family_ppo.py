"""PPO over a family of tasks, from nothing or from a controller on: what an imitation can be compared with.

    python -m benchmarks.family_ppo --seed=0 --out_dir=runs/family_ppo/alone/seed_0
    python -m benchmarks.family_ppo --seed=0 --initial_controller=results/imitation/seed_0/controller \\
        --num_iterations=30 --out_dir=runs/family_ppo/both/seed_0

An iteration draws tasks, and for each a seed and a hidden multiplier that its whole group of episodes shares; the noise
on the actions comes in antithetic pairs. A reward is what the interval took off the logarithm of the best validation
loss so far, less the group's mean, over the task's own spread, so that all tasks weigh alike whatever their units.
Every few iterations the policy's mean runs the selection tasks; the one of least mean regret is kept. Killed and
started again, it goes on: episodes are kept, and updates computed anew.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import pathlib

import numpy as np

from learned_lr.agents import ppo
from learned_lr.agents.collection import CollectedEpisode, collect_episode
from learned_lr.agents.environment import EnvironmentConfig
from learned_lr.control.controller import Controller
from learned_lr.control.observations import ObservationSpec
from learned_lr.execution import cache, configured, seeds
from learned_lr.execution.csv_tables import CsvTable
from learned_lr.execution.gin_config import parse_gin
from learned_lr.execution.run_directory import RunDirectory
from learned_lr.execution.worker_processes import limit_threads
from learned_lr.execution.workers import Workers
from learned_lr.execution.workers_config import WorkersConfig
from learned_lr.jobs import regrets
from learned_lr.trainees import adaptive_schedules, episode_groups, families

REWARD = "log_best_validation_loss_decrease"
COLUMNS = (
    "iteration",
    "num_training_episodes",
    "mean_regret",
    "median_regret",
    "worst_regret",
    "action_deviation",
    "cpu_sec",
)
# The least spread a reward is divided by: where all peaks do alike, differences are chance.
LEAST_SPREAD = 0.05


def advantages(groups, spreads) -> list[CollectedEpisode]:
    """Returns all groups' episodes with their rewards less their group's mean, in spreads of their tasks."""
    found = []
    for group, spread in zip(groups, spreads):
        rewards = np.stack([episode.rewards for episode in group])
        rewards = (rewards - rewards.mean(axis=0)) / max(spread, LEAST_SPREAD)
        found += [
            dataclasses.replace(episode, rewards=own.astype(np.float32))
            for episode, own in zip(group, rewards)
        ]
    return found


def noises(seed: int, num_pairs: int, num_decisions: int) -> np.ndarray:
    """Returns `[2 * num_pairs, num_decisions]` standard normal noise, the second half minus the first."""
    rng = np.random.default_rng([seed, 5])
    half = rng.standard_normal((num_pairs, num_decisions))
    return np.concatenate([half, -half])


class FamilyTraining:
    """One training: collect, update, evaluate, keep."""

    def __init__(self, run, workers, family, references, options, trainer):
        """Takes the parsed flags of this program as `options`."""
        self._run, self._workers, self._options = run, workers, options
        self._trainer = trainer
        self._max_multiplier = family.max_multiplier
        self._num_decisions = family.num_decisions
        self._training = {m.name: m.task for m in family.tasks("training")}
        self._selection = {m.name: m.task for m in family.tasks("selection")}
        self._spreads = {name: row["spread"] for name, row in references.items()}
        self._references = regrets.References(references)
        self._environment_config = environment_config()
        self._cpu_sec = 0.0

    def run_all(self) -> list[dict]:
        """Returns a row for each evaluation, and leaves its controller in the run directory."""
        options = self._options
        rows = [self._evaluate(0)]
        for iteration in range(1, options.num_iterations + 1):
            self._iterate(iteration)
            last = iteration == options.num_iterations
            if last or iteration % options.evaluation_interval == 0:
                rows.append(self._evaluate(iteration))
                print({k: f"{v:.4g}" for k, v in rows[-1].items()}, flush=True)
        return rows

    def _iterate(self, iteration):
        options, controller = self._options, self._trainer.controller()
        num_tasks, size = options.num_tasks, 2 * options.num_pairs
        drawn = self._drawn(iteration)
        calls = []
        for index, name in enumerate(drawn):
            number = (iteration - 1) * num_tasks + index
            seed = seeds.training_seed(options.seed, number)
            multiplier = families.draw_multiplier(self._max_multiplier, seed)
            calls += [
                (
                    controller,
                    self._training[name],
                    self._environment_config,
                    seed,
                    multiplier,
                    noise,
                )
                for noise in noises(seed, options.num_pairs, self._num_decisions)
            ]
        collected = cache.map_episodes(
            self._run,
            self._workers,
            collect_episode,
            calls,
            [f"training_{iteration:04d}_{number:03d}" for number in range(len(calls))],
            CollectedEpisode,
            keys=[name for name in drawn for _ in range(size)],
        )
        self._cpu_sec += sum(item.episode.cpu_sec for item in collected)
        groups = [collected[i : i + size] for i in range(0, len(collected), size)]
        self._trainer.update(
            advantages(groups, [self._spreads[name] for name in drawn])
        )

    def _drawn(self, iteration):
        """The tasks of an iteration: all have their turn before one has its second."""
        names, num_tasks = sorted(self._training), self._options.num_tasks
        first = (iteration - 1) * num_tasks
        found = []
        for position in range(first, first + num_tasks):
            turn, place = divmod(position, len(names))
            order = np.random.default_rng([self._options.seed, turn, 6])
            found.append(names[order.permutation(len(names))[place]])
        return found

    def _evaluate(self, iteration):
        options, names = self._options, sorted(self._selection)
        controller = self._trainer.controller({"iteration": iteration})
        spec = dataclasses.replace(
            controller.spec, source_tasks=tuple(sorted(self._training))
        )
        controller = Controller(spec, controller.weights)
        schedule = adaptive_schedules.Learned(controller)
        evaluation_seeds = [
            seeds.selection_seed(options.seed, index)
            for index in range(options.num_evaluation_episodes)
        ]
        groups = cache.map_episodes(
            self._run,
            self._workers,
            episode_groups.run_episodes,
            [(self._selection[n], schedule, evaluation_seeds, False) for n in names],
            [f"greedy_{iteration:04d}_{name}" for name in names],
            episode_groups.EpisodeGroup,
            keys=names,
        )
        self._cpu_sec += sum(e.cpu_sec for group in groups for e in group.episodes)
        self._run.save_controller(f"controllers/iteration_{iteration:04d}", controller)
        means = [
            np.mean([self._references.regret(n, e.best_validation_loss) for e in g])
            for n, g in zip(names, (group.episodes for group in groups))
        ]
        size = 2 * options.num_pairs * options.num_tasks
        return {
            "iteration": iteration,
            "num_training_episodes": iteration * size,
            **regrets.figures(means),
            "action_deviation": controller.action_deviation,
            "cpu_sec": self._cpu_sec,
        }


def environment_config() -> EnvironmentConfig:
    """Returns what the package's default sees and does, rewarded by the best loss so far."""
    return EnvironmentConfig.of_controller(Controller.load("default").spec, REWARD)


def new_trainer(family, options) -> ppo.PPOTrainer:
    """Returns PPO for a family, from the initial controller that the flags name, or from nothing."""
    initial = options.initial_controller and Controller.load(options.initial_controller)
    # Groups have no mean left that a discount or a critic would have to find.
    config = ppo.PPOConfig(
        discount_factor=1.0,
        initial_action_deviation=options.action_deviation,
        actor_learning_rate=options.actor_learning_rate,
        num_epochs=options.num_epochs,
    )
    if initial:
        config = config.of_network(initial.spec)
    by_length = sorted(
        (member.task for member in family.tasks("training")),
        key=lambda task: task.num_trainee_steps,
    )
    return ppo.PPOTrainer(
        config,
        environment_config(),
        by_length[len(by_length) // 2],
        ObservationSpec.max_loss,
        options.seed,
        initial,
    )


def main(arguments=None) -> None:
    """Trains, and writes `family_ppo.csv` and the controllers."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out_dir", required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--family", default="gin/families/default.gin")
    parser.add_argument("--references", default="results/references/references.json")
    parser.add_argument("--initial_controller", help="a name or a folder")
    parser.add_argument("--num_iterations", type=int, default=60)
    parser.add_argument("--num_tasks", type=int, default=8, help="of an iteration")
    parser.add_argument("--num_pairs", type=int, default=2, help="of a task's group")
    parser.add_argument("--action_deviation", type=float, default=0.3)
    parser.add_argument("--actor_learning_rate", type=float, default=1e-3)
    parser.add_argument("--num_epochs", type=int, default=25)
    parser.add_argument("--evaluation_interval", type=int, default=15)
    parser.add_argument("--num_evaluation_episodes", type=int, default=3)
    parser.add_argument("--num_workers", type=int, default=2)
    options = parser.parse_args(arguments)
    limit_threads(1)
    parse_gin([options.family], [])
    family = configured.family()
    references = json.loads(pathlib.Path(options.references).read_text("utf-8"))
    run = RunDirectory(options.out_dir, options.out_dir)
    trainer = new_trainer(family, options)
    with Workers(WorkersConfig(num_workers=options.num_workers)) as workers:
        training = FamilyTraining(run, workers, family, references, options, trainer)
        rows = training.run_all()
    CsvTable(run, "family_ppo.csv", COLUMNS).write(rows)
    best = min(rows, key=lambda row: row["mean_regret"])
    name = f"iteration_{best['iteration']:04d}"
    run.save_controller("controller", Controller.load(run.file("controllers", name)))
    run.close()
    print(f"Least mean regret: {name}. Everything is in {options.out_dir}")


if __name__ == "__main__":
    main()
