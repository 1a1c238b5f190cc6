"""What the speed claims rest on: paired, interleaved measurements with one TensorFlow thread.

Run on an idle machine, from the repository's root:

    python -m benchmarks.speed                  # step, reset, memory, update
    python -m benchmarks.speed --part=workers   # one worker process against two

`--task` chooses another task. Each figure is a median over pairs that were
measured one right after the other, so that a drift of the machine's speed cancels out.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time

import numpy as np
import tensorflow as tf

from learned_lr.agents import collection, ppo
from learned_lr.agents.environment import EnvironmentConfig, LearningRateEnvironment
from learned_lr.execution.worker_processes import limit_threads
from learned_lr.execution.workers import Workers
from learned_lr.execution.workers_config import WorkersConfig
from learned_lr.trainees import schedules, tasks
from learned_lr.trainees.episode import run_episode, trainee_for


def bare_interval(trainee):
    """Returns a `tf.function` of an interval's optimizer steps and one validation pass.

    The least one could write for the same arithmetic: no statistics, no divergence check,
    no best weights.
    """
    optimizer, model = trainee.optimizer, trainee.model
    images, labels = trainee._train_data
    validation_images, validation_labels = trainee._validation_data
    size = trainee.task.validation_batch_size
    num_batches = validation_images.shape[0] // size

    def loss_of(batch_images, batch_labels, training):
        inputs = tf.cast(batch_images, tf.float32) / 255.0
        logits = model(inputs, training=training)
        return tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(batch_labels, logits)
        )

    @tf.function
    def interval(indices, learning_rate):
        optimizer.learning_rate.assign(learning_rate)
        for step in tf.range(tf.shape(indices)[0]):
            rows = indices[step]
            with tf.GradientTape() as tape:
                loss = loss_of(tf.gather(images, rows), tf.gather(labels, rows), True)
            variables = model.trainable_variables
            gradients = tape.gradient(loss, variables)
            optimizer.apply_gradients(zip(gradients, variables))
        total = tf.constant(0.0)
        for i in tf.range(num_batches):
            rows = slice(i * size, (i + 1) * size)
            total += loss_of(validation_images[rows], validation_labels[rows], False)
        return total / num_batches

    return interval


def measure_step(task, num_pairs):
    """Times an environment step with its policy action against the bare interval."""
    config = EnvironmentConfig()
    environment = LearningRateEnvironment(task, config)
    trainee = trainee_for(task)
    trainer = ppo.PPOTrainer(ppo.PPOConfig(), config, task, trainee.loss_cap, 0)
    controller = trainer.controller()
    bare = bare_interval(trainee)
    time_step, state = environment.reset(), controller.initial_state()
    pairs = []
    for pair in range(num_pairs + 1):
        if time_step.is_last():
            time_step = environment.reset()
        order = trainee._order[: task.trainee_steps_per_action]
        start = time.perf_counter()
        action, state = controller.act(time_step.observation, state)
        time_step = environment.step(np.float32(action))
        middle = time.perf_counter()
        bare(tf.constant(order), tf.constant(1e-4)).numpy()
        end = time.perf_counter()
        if pair:  # The first pair traces.
            pairs.append((middle - start, end - middle))
    ratios = [ours / theirs for ours, theirs in pairs]
    return {
        "environment_step_ms": 1e3 * statistics.median(a for a, _ in pairs),
        "bare_interval_ms": 1e3 * statistics.median(b for _, b in pairs),
        "ratio_median": statistics.median(ratios),
        "ratio_quartiles": statistics.quantiles(ratios, n=4)[::2],
        "num_pairs": num_pairs,
    }


def measure_reset(task, num_resets):
    """Times `Trainee.reset` and counts traces of the interval over many resets."""
    trainee = trainee_for(task)
    trainee.reset(0)
    trainee.train(1e-3)
    before = trainee._run_interval.experimental_get_tracing_count()
    durations = []
    for seed in range(num_resets):
        start = time.perf_counter()
        trainee.reset(seed)
        durations.append(time.perf_counter() - start)
    trainee.train(1e-3)
    after = trainee._run_interval.experimental_get_tracing_count()
    return {
        "reset_ms_median": 1e3 * statistics.median(durations),
        "reset_ms_max": 1e3 * max(durations),
        "retraces": after - before,
        "num_resets": num_resets,
    }


def measure_update(task, num_updates):
    """Times a PPO update of two episodes of the task's length, after the first."""
    config = EnvironmentConfig()
    toy = tasks.QuadraticTask(
        num_trainee_steps=task.num_trainee_steps,
        trainee_steps_per_action=task.trainee_steps_per_action,
    )
    trainer = ppo.PPOTrainer(ppo.PPOConfig(), config, toy, 100.0, 0)
    controller = trainer.controller()
    episodes = [
        collection.collect_episode(controller, toy, config, seed) for seed in range(2)
    ]
    durations = []
    for _ in range(num_updates + 1):
        start = time.perf_counter()
        trainer.update(episodes)
        durations.append(time.perf_counter() - start)
    return {
        "first_update_sec": durations[0],
        "update_sec_median": statistics.median(durations[1:]),
        "num_decisions": task.num_decisions,
    }


def worker_peak_megabytes() -> float:
    """Returns the peak resident memory of the process that calls it."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure_workers(task, num_pairs):
    """Times two episodes on one worker and on two, in turn, after a first round."""
    schedule = schedules.Constant(1e-3)
    pairs, peaks = [], []
    with Workers(WorkersConfig(1)) as one, Workers(WorkersConfig(2)) as two:
        for pair in range(num_pairs + 1):
            durations = []
            for workers in (one, two):
                calls = [(task, schedule, 2 * pair + i) for i in range(2)]
                start = time.perf_counter()
                list(workers.map(run_episode, calls))
                durations.append(time.perf_counter() - start)
            if pair:  # In the first round the workers load data and trace.
                pairs.append(durations)
        peaks = [peak for _, peak in two.map(worker_peak_megabytes, [(), ()])]
    one_sec, two_sec = (statistics.median(column) for column in zip(*pairs))
    return {
        "one_worker_episodes_per_minute": 120 / one_sec,
        "two_workers_episodes_per_minute": 120 / two_sec,
        "speedup_median": statistics.median(a / b for a, b in pairs),
        "worker_peak_megabytes": max(peaks),
        "num_pairs": num_pairs,
    }


def main():
    """Prints the measurements as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", default="fashion_mnist_lenet5")
    parser.add_argument("--part", choices=("process", "workers"), default="process")
    parser.add_argument("--num_pairs", type=int, default=40)
    parser.add_argument("--num_trainee_steps", type=int, default=None)
    arguments = parser.parse_args()
    overrides = {}
    if arguments.num_trainee_steps:
        overrides["num_trainee_steps"] = arguments.num_trainee_steps
    task = tasks.make_task(arguments.task, **overrides)
    if arguments.part == "workers":
        result = measure_workers(task, arguments.num_pairs)
    else:
        limit_threads(1)
        result = {
            "step": measure_step(task, arguments.num_pairs),
            "reset": measure_reset(task, 100),
            "update": measure_update(task, 20),
        }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
