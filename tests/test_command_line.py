"""What the command line itself answers: help, flags it does not know, and a stack that is not installed."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

from learned_lr import launch

ROOT = pathlib.Path(__file__).resolve().parents[1]


def _run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("job", [*launch.JOBS, "report"])
def test_help_shows_the_flags_and_an_example(job):
    done = _run(f"learned_lr.{job}", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"\n  python -m learned_lr.{job} --" in done.stdout
    flags = ["--root_dir FOLDER"]
    if job != "report":
        flags += ["--gin_file FILE", "--gin_bindings BINDING"]
    assert all(flag in done.stdout for flag in flags)
    assert "helpfull" not in done.stdout and "`" not in done.stdout


def test_wrong_flags_are_answered_with_the_nearest():
    done = _run("learned_lr.train", "--gin_fil=x")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "Error: unrecognized arguments: --gin_fil=x; did you mean --gin_file?\n"
        "python -m learned_lr.train --help shows the flags.\n"
    )


@pytest.mark.parametrize("found", ["nothing", "a file"])
def test_a_root_dir_that_is_none_is_refused(tmp_path, found):
    path = tmp_path / "file"
    path.touch()
    done = _run(
        *("learned_lr.train", "--gin_file=gin/train/digits_cnn.gin"),
        f"--root_dir={path if found == 'a file' else ''}",
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert f"argument --root_dir: Expected a folder, found {found}:" in done.stderr


@pytest.mark.parametrize("package", ["gin", "tensorflow"])
def test_a_light_installation_says_what_is_missing(tmp_path, package):
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").write_text(
        f"raise ModuleNotFoundError(\"No module named '{package}'\", name='{package}')\n"
    )
    done = _run(
        *("learned_lr.train", "--gin_file=gin/train/digits_cnn.gin"),
        f"--root_dir={tmp_path / 'runs'}",
        PYTHONPATH=str(tmp_path),
    )
    # TF-Agents prints a text of its own where TensorFlow is missing.
    assert done.returncode == 1
    assert done.stderr == (
        f"Error: Expected the training stack, found no {package} (No module named "
        f"'{package}'): pip install '.[train]' brings all that the jobs need.\n"
    )
    assert not (tmp_path / "runs").exists()


SWALLOWED = """
import os, signal, time, weakref
from learned_lr import launch
launch._stop_by_signals()
class Held: pass
held = Held()
reference = weakref.ref(held, lambda _: os.kill(os.getpid(), signal.SIGTERM))
try:
    del held
    time.sleep(20)
    print("went on")
except KeyboardInterrupt:
    print("stopped")
"""
UNHEARD = """
import sys
from learned_lr import launch
sys.stdin.read()
for _ in range(3):
    launch._say("nobody listens")
"""


def test_a_signal_in_a_callback_stops_the_job():
    command = [sys.executable, "-c", SWALLOWED]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "stopped\n"


def test_a_job_that_nobody_listens_to_goes_on():
    command = [sys.executable, "-c", UNHEARD]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    process = subprocess.Popen(command, **pipes)
    process.stdout.close()
    process.stdin.close()
    assert (process.wait(), process.stderr.read()) == (0, b"")
    process.stderr.close()


def test_info_on_a_run_directory_says_where_its_controller_is():
    done = _run("learned_lr.controller_info", "results/digits_cnn")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "Expected a controller's folder, found 'results/digits_cnn', whose controller is "
        "'results/digits_cnn/controller'.\n"
    )
