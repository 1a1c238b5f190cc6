"""Tunes a cosine for every task of a family: `python -m learned_lr.references --gin_file=gin/references/default.gin`."""

from learned_lr import launch


def _load():
    from learned_lr.jobs import references

    return references.references


if __name__ == "__main__":
    launch.run_job("references", _load)
