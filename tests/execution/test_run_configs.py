"""Configs as text: their bindings, and what differs between two."""

from __future__ import annotations

import hashlib

from learned_lr.execution.run_configs import (
    bindings,
    config_differences,
    task_file_hash,
)


def test_config_differences_name_bindings():
    there = "# Parameters for train:\n# ====\ntrain.seed = 0\n\n# Parameters for x:\nx.a = \\\n    (1,\n     2)\n"
    here = "train.seed = 1\nx.a = (1, 2)\nx.b = 'new'\n"
    assert config_differences(there, here) == [
        "train.seed is 0 there and 1 here",
        "x.b is not bound there and 'new' here",
    ]
    assert config_differences(there, there) == []


def test_a_macros_value_stands_where_it_is_named():
    config = (
        "NOISE = 0.1\na/RATES = (%NOISE, 2)\nLOOP = %LOOP\n"
        "task.noise = %NOISE\nx.rates = [%a/RATES, %module.CONSTANT]\n"
        "x.text = 'of %NOISE' \nx.other = \"it's %NOISE\"\nx.loop = %LOOP\n"
    )
    found = {name: v for name, v in bindings(config).items() if "." in name}
    assert found == {
        "task.noise": "0.1",
        "x.rates": "[(0.1, 2), %module.CONSTANT]",
        "x.text": "'of %NOISE'",
        "x.other": '"it\'s %NOISE"',
        "x.loop": "%LOOP",
    }


def test_the_hash_of_a_tasks_file_that_a_macro_names(tmp_path):
    (tmp_path / "a.py").write_bytes(b"content")
    found = task_file_hash(f"FILE = '{tmp_path}/a.py'\ntask.file = %FILE\n")
    assert found == hashlib.sha256(b"content").hexdigest()


def test_config_differences_leave_free_where_workers_run():
    there = "workers.engine = 'local'\nworkers.num_workers = 1\n"
    here = (
        "baseline.earlier_run = 'a'\nevaluate.earlier_run = None\n"
        "workers.engine = 'ray'\nworkers.num_workers = 2\n"
        "workers.address = 'auto'\nworkers.num_gpus = 0.5\n"
    )
    assert config_differences(there, here) == []
    assert config_differences("workers.num_threads = 1", "workers.num_threads = 2") == [
        "workers.num_threads is 1 there and 2 here"
    ]


def test_bindings_that_came_later_may_be_missing_there():
    added = "a.b = 1\na.c = 3\n"
    assert config_differences("a.b = 1\n", added, {"a.c"}) == []
    assert config_differences("a.b = 1\n", added) == [
        "a.c is not bound there and 3 here"
    ]


def test_the_hash_of_a_tasks_file_finds_it_at_home(tmp_path, monkeypatch):
    (tmp_path / "a.py").write_bytes(b"content")
    monkeypatch.setenv("HOME", str(tmp_path))
    found = task_file_hash("task.file = '~/a.py'\n")
    assert found == hashlib.sha256(b"content").hexdigest()
    assert task_file_hash("task.file = '~/b.py'\n") is None


def test_blanks_count_within_quotes_alone(tmp_path):
    config = "a.b = ('x  y',   \"it's  z\",\n     2)\n"
    assert bindings(config) == {"a.b": "('x  y', \"it's  z\", 2)"}
    assert config_differences("a.b = 'x y'\n", "a.b = 'x  y'\n") != []
    folder = tmp_path / "two  blanks"
    folder.mkdir()
    (folder / "own.py").write_bytes(b"content")
    found = task_file_hash(f"task.file = '{folder}/own.py'\n")
    assert found == hashlib.sha256(b"content").hexdigest()
