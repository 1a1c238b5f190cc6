"""The report as a whole: its figures are those of the tables, and what is missing is named."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from job_results import rows_of

from learned_lr.report import __main__ as report_door
from learned_lr.report import assembly
from learned_lr.report.assembly import ReportError


@pytest.fixture
def root_dir(undisturbed_jobs, finished, tmp_path):
    """A copy of a root directory with a grid, an evaluation and a training run."""
    root_dir = tmp_path / "runs"
    shutil.copytree(undisturbed_jobs, root_dir)
    shutil.copytree(finished, root_dir / "train" / "quadratic" / "toy")
    return root_dir


def _read(root_dir, name):
    return (root_dir / "report" / name).read_text(encoding="utf-8")


def test_figures_are_those_of_the_tables(root_dir):
    assembly.report(str(root_dir))
    path = root_dir / "evaluate" / "quadratic" / "toy"
    losses = {}
    for row in rows_of(path / "evaluation.csv"):
        losses.setdefault(row["schedule"], []).append(float(row["test_loss"]))
    lines = _read(root_dir, "report.md").splitlines()
    for name, values in losses.items():
        expected = f"{np.mean(values):.4f} ({np.std(values, ddof=1):.4f})"
        # The reference is set in bold, and stars are escaped.
        rows = [line.replace("*", "").replace("\\", "") for line in lines]
        rows = [line for line in rows if line.startswith(f"| {name} ")]
        assert any(expected in line for line in rows), (name, expected, rows)
    assert any("mean return" in line.lower() for line in lines)


def test_the_papers_figures_stand_beside_ours(root_dir):
    assembly.report(str(root_dir))
    text = _read(root_dir, "report.md")
    for figure in ("0.2497 ± 0.0042", "0.6288 ± 0.0196", "0.2598 ± 0.0071"):
        assert figure in text
    assert text.partition("## Contenders")[0].count("not run") == 6


def test_budget_counts_runs_and_steps(root_dir):
    assembly.report(str(root_dir))
    rows = {
        row["method"]: row
        for row in csv.DictReader(_read(root_dir, "budget.csv").splitlines())
    }
    # 5 schedules, and 3 by 3 seeds again; 4 different ones by 4 seeds; 4 iterations of 2
    # episodes and 2 evaluations of 2.
    assert rows["grid"]["runs"] == "14" and rows["grid"]["trainee_steps"] == "560"
    # A step of the toy task is a sample.
    assert float(rows["grid"]["gradient_samples"]) == 560
    assert float(rows["training of a controller"]["gradient_samples"]) == 12 * 40
    assert rows["evaluation"]["runs"] == "16"
    assert rows["training of a controller"]["runs"] == "12"
    assert float(rows["grid"]["cpu_hours"]) > 0


def test_twice_gives_the_same_bytes(root_dir):
    assembly.report(str(root_dir))
    files = {p: p.read_bytes() for p in (root_dir / "report").iterdir()}
    assembly.report(str(root_dir))
    assert {p: p.read_bytes() for p in (root_dir / "report").iterdir()} == files


def test_the_page_holds_everything(root_dir):
    assembly.report(str(root_dir))
    page = _read(root_dir, "report.html")
    sources = re.findall(r'(?:src|href)="([^"]{0,20})', page)
    assert any(source.startswith("data:image/png") for source in sources)
    assert all(source.startswith(("data:", "#")) for source in sources)
    assert "<script" not in page and str(root_dir) not in page
    for job in ("train", "baseline", "evaluate"):
        assert f"-m learned_lr.{job} " in page or f"{job}/quadratic/toy" in page


@pytest.mark.parametrize(
    ("file", "content", "named"),
    [
        ("baseline/quadratic/toy/run.json", "{", "run.json is damaged"),
        ("baseline/quadratic/toy/best.json", None, "best.json is missing"),
        ("evaluate/quadratic/toy/statistics.csv", None, "statistics.csv is missing"),
        ("evaluate/quadratic/toy/evaluation.csv", "a,b\n1,2\n", "has no column"),
        ("train/quadratic/toy/iterations.csv", None, "iterations.csv is missing"),
    ],
)
def test_damage_is_named(root_dir, file, content, named):
    path = root_dir / file
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    assembly.report(str(root_dir))
    text = _read(root_dir, "report.md").replace("\\", "")
    incomplete = text.partition("## Incomplete")[2].partition("## ")[0]
    assert named in incomplete
    assert "/".join(file.split("/")[:3]) in incomplete


def test_unfinished_grids_are_named(root_dir):
    path = root_dir / "baseline" / "quadratic" / "toy"
    record = json.loads((path / "run.json").read_text())
    del record["results"], record["end"]
    (path / "run.json").write_text(json.dumps({**record, "status": "running"}))
    lines = (path / "grid.csv").read_text().splitlines(keepends=True)
    (path / "grid.csv").write_text("".join(lines[:-1]))
    assembly.report(str(root_dir))
    text = _read(root_dir, "report.md").replace("\\", "")
    incomplete = text.partition("## Incomplete")[2].partition("## ")[0]
    assert "not finished, its status is running" in incomplete
    assert "grid.csv holds 13 of 14 runs" in incomplete


def test_nothing_to_report(tmp_path):
    with pytest.raises(ReportError, match="Expected run directories .* found none"):
        assembly.report(str(tmp_path))
    with pytest.raises(ReportError, match="found no "):
        assembly.report(str(tmp_path / "none"))
    (tmp_path / "page").write_text("")
    with pytest.raises(ReportError, match="found the file "):
        assembly.report(str(tmp_path / "page"))


def test_the_home_folder_has_its_short_name(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["report", "--root_dir=~/none"])
    with pytest.raises(SystemExit, match=f"found no {tmp_path}/none"):
        report_door.main()


def test_door_is_light():
    code = "import sys, learned_lr.report.assembly; print('tensorflow' in sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "False"
