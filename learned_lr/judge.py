"""Judges schedules by how far they are behind tuning: `python -m learned_lr.judge --gin_file=gin/judge/default.gin`."""

from learned_lr import launch


def _load():
    from learned_lr.jobs import judge

    return judge.judge


if __name__ == "__main__":
    launch.run_job("judge", _load)
