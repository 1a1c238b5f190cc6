"""Jobs on a family of toy tasks: how they are run beside references, and what they leave."""

from __future__ import annotations

import csv
import json
import pathlib


def launch(launch_job, job, root_dir, *bindings, references, config):
    """Writes references and runs a job; returns its exit code."""
    folder = pathlib.Path(root_dir) / "references" / "toys" / "toy"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "references.json").write_text(json.dumps(references))
    return launch_job(job, root_dir, *bindings, config=config)


def path_of(root_dir, job):
    """The run directory."""
    return pathlib.Path(root_dir) / job / "toys" / "toy"


def read_rows(path, name):
    """The rows of a table."""
    return list(csv.DictReader((path / name).read_text().splitlines()))
