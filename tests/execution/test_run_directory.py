"""Run directories: atomic files, the lock, and the config check."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import subprocess
import sys

import pytest

from learned_lr.execution import provenance, run_directory
from learned_lr.execution.run_directory import RunDirectory, RunDirectoryError

HOLD_LOCK = """
import sys
from learned_lr.execution.run_directory import RunDirectory
run = RunDirectory(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def run(tmp_path):
    """A fresh run directory."""
    run = RunDirectory(str(tmp_path / "run"))
    yield run
    run.close()


def test_write_makes_folders_and_read_gives_the_bytes_back(run):
    run.write("a/b.bin", b"\x00\xff")
    run.write("a/b.bin", b"\x01")
    assert run.read("a/b.bin") == b"\x01"
    assert os.listdir(run.file("a")) == ["b.bin"]
    assert run.read("a/c.bin") is None


def test_failed_write_leaves_the_old_file_and_nothing_else(run, monkeypatch):
    run.write("file", b"old")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(run_directory.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        run.write("file", b"new")
    assert run.read("file") == b"old"
    assert sorted(os.listdir(run.path)) == ["file", "lock"]


def test_a_finished_run_goes_on_with_what_came_later(run):
    run.begin("a.b = 1\n", {"grid": [1]})
    run.finish(loss=0.5)
    start = run.run_record()["start"]
    config = "a.b = 1\na.c = 3\n"
    with pytest.raises(RunDirectoryError, match="a.c is not bound there and 3 here"):
        run.begin(config, {"grid": [1]})
    assert run.is_finished
    run.begin(config, {"grid": [1], "finalists": [2]}, later_bindings=("a.c",))
    record = run.run_record()
    assert record["status"] == "running" and record["start"] == start
    assert not {"end", "results"} & set(record)
    assert record["seeds"]["finalists"] == [2]
    assert run.read("operative_config.gin") == config.encode()
    run.finish(loss=0.5)
    for other in ("a.b = 1\na.c = 2\n", "a.b = 1\n"):
        with pytest.raises(RunDirectoryError, match="a.c is 3 there"):
            run.begin(other, {}, later_bindings=("a.c",))


def test_what_came_later_is_not_lost_between_two_files(run, monkeypatch):
    run.begin("a.b = 1\n", {"grid": [1]})
    run.finish(loss=0.5)
    config, write, written = "a.b = 1\na.c = 3\n", run.write, []

    def stop_after_one(name, content):
        if written:
            raise KeyboardInterrupt
        written.append(name)
        write(name, content)

    monkeypatch.setattr(run, "write", stop_after_one)
    with pytest.raises(KeyboardInterrupt):
        run.begin(config, {"grid": [1]}, later_bindings=("a.c",))
    monkeypatch.undo()
    run.begin(config, {"grid": [1]}, later_bindings=("a.c",))
    assert not run.is_finished
    assert run.read("operative_config.gin") == config.encode()


@pytest.mark.parametrize("content", [b'{"status": "fin', b"", b"[]"])
def test_a_damaged_record_is_named(run, content):
    run.write("run.json", content)
    with pytest.raises(RunDirectoryError, match=re.escape(run.file("run.json"))):
        run.begin("a.b = 1\n", {})
    os.remove(run.file("run.json"))


def test_the_commit_of_another_repository_is_not_recorded(tmp_path, monkeypatch):
    def git(*arguments):
        user = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", "-C", str(tmp_path), *user, *arguments], check=True)

    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "first")
    for folder, is_known in (("", True), ("lib", False)):
        file = tmp_path / folder / "learned_lr" / "execution" / "provenance.py"
        monkeypatch.setattr(provenance, "__file__", str(file))
        (tmp_path / folder).mkdir(exist_ok=True)
        assert (provenance.commit() != "unknown") is is_known


def test_lock_names_the_process_that_holds_it(tmp_path):
    path = str(tmp_path / "run")
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD_LOCK, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert holder.stdout.readline() == b"held\n"
    message = f"Expected {path} to be free, found it held by process {holder.pid} on "
    with pytest.raises(RunDirectoryError, match=f"^{re.escape(message)}"):
        RunDirectory(path)
    holder.kill()
    holder.communicate()
    RunDirectory(path).close()


def test_run_record(run, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["job.py", "--gin_bindings=task.name = 'a'"])
    run.begin("a.b = 1\n", {"run": 5})
    record = run.run_record()
    assert record["command"].endswith(""" '--gin_bindings=task.name = '"'"'a'"'"''""")
    assert record["seeds"] == {"run": 5}
    assert record["status"] == "running"
    assert {"python", "numpy"} <= set(record["versions"])
    assert record["commit"]
    assert run.read("operative_config.gin") == b"a.b = 1\n"
    run.finish(loss=0.5)
    finished = json.loads(run.read("run.json"))
    assert finished["status"] == "finished" and finished["results"] == {"loss": 0.5}
    assert finished["start"] == record["start"] <= finished["end"]


def test_begin_again_resumes_and_leaves_a_finished_run_alone(run):
    run.begin("a.b = 1\n", {"run": 0})
    start = run.run_record()["start"]
    run.begin("a.b = 1\n", {"run": 0})
    assert run.run_record()["start"] == start
    run.finish(loss=0.5)
    record = run.read("run.json")
    run.begin("a.b = 1\n", {"run": 0})
    assert run.read("run.json") == record


def test_starts_with_other_versions_stay_on_record(run, monkeypatch):
    found = []
    for version in ("2.14", "2.14", "2.15"):
        monkeypatch.setattr(
            run_directory, "versions", lambda version=version: {"tensorflow": version}
        )
        run.begin("a.b = 1\n", {})
        found.append(run.run_record())
    assert [record["versions"]["tensorflow"] for record in found] == ["2.14", "2.14", "2.15"]  # fmt: skip
    before = {"commit": found[0]["commit"], "versions": {"tensorflow": "2.14"}}
    assert [r.get("earlier_starts") for r in found] == [None, None, [before]]


def test_begin_refuses_another_config(run):
    run.begin("a.b = 1\na.c = 2\n", {})
    with pytest.raises(RunDirectoryError) as caught:
        run.begin("a.b = 1\na.c = 3\n", {})
    assert str(caught.value) == (
        f"Expected {run.path} to hold a run of this config, found another: "
        "a.c is 2 there and 3 here. Choose another --root_dir, or the same bindings."
    )
    assert run.read("operative_config.gin") == b"a.b = 1\na.c = 2\n"


@pytest.mark.parametrize("is_finished", [False, True])
def test_begin_refuses_another_content_of_the_tasks_file(run, tmp_path, is_finished):
    file = tmp_path / "my_task.py"
    file.write_text("width = 4\n")
    config = f"task.file = \\\n    {str(file)!r}\n"
    run.begin(config, {})
    if is_finished:
        run.finish(loss=0.5)
    file.write_text("width = 8\n")
    with pytest.raises(RunDirectoryError, match="the file has changed since"):
        run.begin(config, {})
    file.write_text("width = 4\n")
    run.begin(config, {})
    # A run of the time before goes on.
    record = run.run_record()
    del record["task_file_sha256"]
    run.write_record(record)
    run.begin(config, {})


def test_a_start_without_work_leaves_nothing_that_it_made(tmp_path):
    path = tmp_path / "runs" / "train" / "task" / "name"
    run = RunDirectory(str(path))
    run.begin("a.b = 1\n", {})
    assert sorted(os.listdir(path)) == ["lock", "operative_config.gin", "run.json"]
    run.close()
    assert os.listdir(tmp_path) == []


def test_copies_of_what_a_start_needs_are_no_work(tmp_path):
    run = RunDirectory(str(tmp_path / "runs" / "train" / "task" / "name"))
    run.begin("a.b = 1\n", {})
    for name in ("references.json", "initial_controller/spec.json"):
        run.write(name, b"{}")
        run.add_input(name.partition("/")[0])
    run.close()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("is_work", [True, False])
def test_work_and_finished_runs_stay(tmp_path, is_work):
    run = RunDirectory(str(tmp_path / "runs" / "train" / "task" / "name"))
    run.begin("a.b = 1\n", {})
    if is_work:
        run.write("grid.csv", b"x")
    else:
        run.finish()
    run.close()
    assert {"lock", "operative_config.gin", "run.json"} <= set(os.listdir(run.path))


def test_folders_with_something_of_others_stay(tmp_path):
    run = RunDirectory(str(tmp_path / "runs" / "train" / "task" / "name"))
    (tmp_path / "runs" / "lr.csv").write_bytes(b"")
    run.close()
    assert os.listdir(tmp_path / "runs") == ["lr.csv"]


def test_a_lock_that_was_removed_with_its_folder_is_none(tmp_path, monkeypatch):
    first = RunDirectory(str(tmp_path / "run"))
    lock = fcntl.flock

    def after_the_first_has_gone(descriptor, operation):
        first.close()
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", after_the_first_has_gone)
    with pytest.raises(RunDirectoryError, match="to stay, found it removed by a start"):
        RunDirectory(str(tmp_path / "run"))
