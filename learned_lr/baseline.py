"""Runs a grid of schedules: `python -m learned_lr.baseline --gin_file=gin/baseline/digits_cnn.gin`."""

from learned_lr import launch


def _load():
    from learned_lr.jobs import baseline

    return baseline.baseline


if __name__ == "__main__":
    launch.run_job("baseline", _load)
