"""Runs a job at many points: `python -m learned_lr.sweep --gin_file=gin/sweep/digits_cnn.gin`."""

from learned_lr import launch


def _load():
    from learned_lr.jobs import sweep

    sweep.load_jobs()
    return sweep.sweep


if __name__ == "__main__":
    launch.run_job("sweep", _load)
