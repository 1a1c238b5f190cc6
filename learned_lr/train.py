"""Trains a controller: `python -m learned_lr.train --gin_file=gin/train/digits_cnn.gin`."""

from learned_lr import launch


def _load():
    from learned_lr.jobs import train

    return train.train


if __name__ == "__main__":
    launch.run_job("train", _load)
