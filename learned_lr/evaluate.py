"""Compares schedules: `python -m learned_lr.evaluate --gin_file=gin/evaluate/digits_cnn.gin`."""

from learned_lr import launch


def _load():
    from learned_lr.jobs import evaluate

    return evaluate.evaluate


if __name__ == "__main__":
    launch.run_job("evaluate", _load)
