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


def results_of(path, *names):
    """What a training leaves: files by their names, all controllers, and its results but for the time they took."""
    found = {name: (path / name).read_bytes() for name in names}
    for file in sorted(path.glob("controller*/**/*.*")):
        found[str(file.relative_to(path))] = file.read_bytes()
    results = json.loads((path / "run.json").read_text())["results"]
    results.pop("cpu_sec")
    return {**found, "results": results}
