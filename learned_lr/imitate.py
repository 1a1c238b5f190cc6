"""Teaches a controller what tuning finds: `python -m learned_lr.imitate --gin_file=gin/imitate/default.gin`."""

from learned_lr import launch


def _load():
    from learned_lr.jobs import imitate

    return imitate.imitate


if __name__ == "__main__":
    launch.run_job("imitate", _load)
