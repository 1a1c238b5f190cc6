"""Trains a controller on many tasks by PPO: `python -m learned_lr.meta_train --gin_file=gin/meta_train/default.gin`."""

from learned_lr import launch


def _load():
    from learned_lr.jobs import meta_train

    return meta_train.meta_train


if __name__ == "__main__":
    launch.run_job("meta_train", _load)
