"""What README, notes and docs/ say holds: Python is run, commands and gin are parsed, what is named exists."""

from __future__ import annotations

import argparse
import functools
import importlib
import json
import os
import re
import runpy
import subprocess
import sys

import documents
import numpy as np
import pytest
import setuptools
import sklearn.datasets
import tensorflow as tf
from documents import ROOT

from learned_lr import controller_info
from learned_lr.control.rate_table import RateTable
from learned_lr.trainees import episode, schedules, tasks

JOBS = (
    "train",
    "references",
    "imitate",
    "meta_train",
    "judge",
    "baseline",
    "evaluate",
    "sweep",
)
FLAGS = {"--gin_file", "--gin_bindings", "--root_dir"}
# Words that begin a command where it stands within a sentence.
PROGRAMS = ("make", "pip", "python", "ray", "source", "tensorboard")


# Python: the blocks of a page are run in one namespace, in their order, then its check.


def _model_and_digits():
    digits = sklearn.datasets.load_digits()
    x, y = (digits.images / 16).astype(np.float32), digits.target
    layers = tf.keras.layers
    return {
        "model": tf.keras.Sequential(
            [layers.Flatten(input_shape=(8, 8)), layers.Dense(10, "softmax")]
        ),
        "x": x[:1000],
        "y": y[:1000],
        "x_validation": x[1000:],
        "y_validation": y[1000:],
    }


def _check_first_example(namespace):
    history = namespace["model"].history.history
    assert len(history["learning_rate"]) == 10
    assert history["accuracy"][-1] > 0.8


def _check_callback(namespace):
    rates = namespace["history"].history["learning_rate"]
    assert len(rates) == 10
    assert max(rates) <= 1e-2
    assert RateTable.load("lr.csv") == namespace["callback"].schedule
    assert namespace["history"].history["accuracy"][-1] > 0.8
    loop = namespace["loop"]
    assert len(loop.schedule.learning_rates) == 1000
    # The base schedule ends at a thousandth of what decisions scale.
    assert namespace["rate"] == pytest.approx(1e-3 * loop.level, rel=0.01)
    loop.set_length(2000, training_step=1000)
    assert namespace["resumed"].schedule == loop.schedule
    replay = namespace["optimizer"].learning_rate
    first = namespace["callback"].schedule.learning_rates[0]
    assert float(tf.convert_to_tensor(replay)) == pytest.approx(first)


def _check_own_task(namespace):
    task = tasks.make_task("stripes_cnn", file="my_task.py")
    trained = episode.run_episode(task, schedules.Constant(3e-3), seed=0)
    assert trained.column("validation_accuracy")[0] < 0.7
    assert trained.test_accuracy > 0.9


def _check_controller(namespace):
    assert namespace["episode"].test_accuracy > 0.8


# By page: what its blocks find in place, and what must hold after them.
PYTHON = {
    "README.md": (_model_and_digits, _check_first_example),
    "docs/index.md": (_model_and_digits, _check_first_example),
    "docs/callback.md": (_model_and_digits, _check_callback),
    "docs/own-task.md": (dict, _check_own_task),
    "docs/training.md": (dict, _check_controller),
}


@pytest.mark.smoke
@pytest.mark.parametrize(
    "page", sorted({block.page for block in documents.blocks("python")})
)
def test_python_blocks_run(page, tmp_path, monkeypatch):
    assert page in PYTHON, f"{page} has Python that no check of this module covers."
    (tmp_path / "results").symlink_to(ROOT / "results")
    monkeypatch.chdir(tmp_path)
    prepare, check = PYTHON[page]
    namespace = prepare()
    for block in documents.blocks("python"):
        if block.page == page:
            # A block that names a file is also written into it.
            for name in re.findall(r"\A# (\w+\.py)\n", block.text):
                (tmp_path / name).write_text(block.text, encoding="utf-8")
            exec(compile(block.text, str(block), "exec"), namespace)  # noqa: S102
    check(namespace)


# Commands: every line of a shell block, and those within sentences.


def _documented_commands():
    found = [
        (str(block), words)
        for block in documents.blocks("bash")
        for words in documents.commands(block.text)
    ]
    for page in documents.PAGES:
        for code in documents.inline_code(page):
            # What stands for a name, or goes on, is no command as it is.
            is_whole = "<" not in code and "..." not in code
            if is_whole and code.partition(" ")[0] in PROGRAMS and " " in code:
                found += [(page, words) for words in documents.commands(code)]
    return found


COMMANDS = _documented_commands()


def _check_make(words):
    makefile = documents.read("Makefile")
    for target in words:
        assert re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE), target


def _check_pip(words):
    assert words[0] == "install" and words[1:], words
    for word in words[1:]:
        name, _, extras = word.partition("[")
        assert name == ".", word
        assert set(extras.rstrip("]").split(",")) - {""} <= set(_extras()), word


@functools.lru_cache
def _extras():
    arguments = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(setuptools, "setup", arguments.update)
        patch.chdir(ROOT)
        runpy.run_path("setup.py")
    return tuple(arguments["extras_require"])


def _check_ray(words):
    from ray.scripts import scripts

    options = {
        option for parameter in scripts.start.params for option in parameter.opts
    }
    assert words[0] == "start"
    assert {word.partition("=")[0] for word in words[1:]} <= options, words


def _check_source(words):
    # The environment that `make setup` makes.
    assert words == [".venv/bin/activate"]


def _check_tensorboard(words):
    assert words[0] == "--logdir" and words[1].split("/")[0] == "runs", words
    assert len(words) == 2


class _Parsed(Exception):
    """The arguments were accepted."""


def _check_benchmark(module, words):
    parse = argparse.ArgumentParser.parse_args

    def parse_and_leave(*arguments):
        parse(*arguments)
        raise _Parsed

    for word in words:
        if "*" in word:
            assert list(ROOT.glob(word)), word
    main = importlib.import_module(module).main
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", parse_and_leave)
        patch.setattr(sys, "argv", [module, *words])
        with pytest.raises(_Parsed):
            main()


def _check_python(words):
    assert words[0] == "-m", words
    module, words = words[1], words[2:]
    assert ROOT.joinpath(*module.split(".")).with_suffix(".py").is_file() or (
        ROOT.joinpath(*module.split("."), "__main__.py").is_file()
    ), module
    package, _, name = module.partition(".")
    if package == "benchmarks":
        _check_benchmark(module, words)
    elif module == "learned_lr.controller_info":
        assert controller_info.main(words) == 0
    elif module == "learned_lr.report":
        assert {word.partition("=")[0] for word in words} <= {"--root_dir"}
    else:
        assert package == "learned_lr" and name in JOBS, module
        # test_jobs_parse_what_pages_say parses them.
        assert {word.partition("=")[0] for word in words} <= FLAGS, words


CHECKS = {
    "make": _check_make,
    "pip": _check_pip,
    "python": _check_python,
    "ray": _check_ray,
    "source": _check_source,
    "tensorboard": _check_tensorboard,
}


@pytest.mark.parametrize(
    ("where", "words"), COMMANDS, ids=[f"{w}-{' '.join(c)}" for w, c in COMMANDS]
)
def test_command(where, words, tmp_path, monkeypatch):
    assert words[0] in CHECKS, f"{where}: no check covers {words[0]!r}."
    monkeypatch.chdir(tmp_path)
    CHECKS[words[0]](words[1:])


def _said_to(job):
    """All that pages say to a job, as lists of [kind, value, where]."""
    said = []
    for where, words in COMMANDS:
        # Without flags it only names the job.
        if words[:3] == ["python", "-m", f"learned_lr.{job}"] and words[3:]:
            said.append(["command", words[3:], where])
    if job == "sweep":  # Which knows the names of all jobs.
        said += [["gin", b.text, str(b)] for b in documents.blocks("gin")]
        for page in documents.PAGES:
            for code in documents.inline_code(page):
                if re.fullmatch(r"[\w/]+\.\w+ = .+", code):
                    said.append(["gin", code, page])
                elif re.fullmatch(r"@[\w/]+", code):
                    said.append(["gin", f"baseline.families = [{code}]", page])
                elif re.fullmatch(r"\w+\.(?!(csv|gin|json|md|png|py)$)\w+", code):
                    said.append(["name", code, page])
    return said


@pytest.mark.smoke
@pytest.mark.parametrize("job", JOBS)
def test_jobs_parse_what_pages_say(job, tmp_path):
    for block in documents.blocks("python"):
        for name in re.findall(r"\A# (\w+\.py)\n", block.text):
            (tmp_path / name).write_text(block.text, encoding="utf-8")
    # A checkout's files, such as one of a task.
    (tmp_path / "benchmarks").symlink_to(ROOT / "benchmarks")
    said = _said_to(job)
    assert said
    process = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "parse_documented.py"), job],
        input=json.dumps(said),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert json.loads(process.stdout) == []


# Everything else.


def test_every_block_is_of_a_kind_that_is_checked():
    kinds = {"bash", "gin", "python", "text"}
    assert [str(b) for b in documents.blocks() if b.language not in kinds] == []
    assert {block.language for block in documents.blocks()} == kinds


@pytest.mark.parametrize("page", documents.PAGES)
def test_no_code_without_a_fence(page):
    # Markdown takes lines indented by four after an empty one as code.
    assert re.findall(r"\n\n((?: {4}|\t)\S.*)", documents.prose(page)) == []


@pytest.mark.parametrize("block", documents.blocks("text"), ids=str)
def test_text_blocks_list_paths_that_exist(block):
    for line in block.text.splitlines():
        path = line.split()[0]
        assert list(ROOT.glob(path)), f"{block}: {path}"


@pytest.mark.parametrize("page", documents.PAGES)
def test_named_files_exist(page):
    path = ROOT / page
    for link in documents.links(page):
        if "://" in link:
            continue
        target, _, anchor = link.partition("#")
        file = (path.parent / target).resolve() if target else path
        assert file.exists(), link
        # Those of the reference are made from the code: a strict build checks them.
        if anchor and file.parent.name != "api":
            assert anchor in documents.anchors(str(file.relative_to(ROOT))), link
    folders = "benchmarks|docs|examples|gin|learned_lr|official_resnet|results|tests"
    named = rf"(?<![\w/.-])(?:{folders})/[\w./-]+\.\w+"
    for found in re.findall(named, documents.read(page)):
        assert (ROOT / found).exists(), found


def _cells(page):
    """The cells of the table of contenders, without its header and names."""
    table = re.search(
        r"(?m)^\| contender .*\n(?:\|.*\n)+", documents.read(page)
    ).group()
    rows = [line.strip("| ").split("|") for line in table.splitlines()[2:]]
    return [[cell.strip() for cell in row[1:]] for row in rows]


def test_a_table_on_two_pages_has_the_same_figures():
    found = _cells("README.md")
    assert len(found) == 5
    # There with an interquartile mean before the worst.
    whole = [[mean, median, worst] for mean, median, _, worst in _cells("results/judge/README.md")]  # fmt: skip
    assert all(row in whole for row in found)


def test_the_table_of_cases_names_tests_that_exist():
    page = documents.read("docs/safety.md")
    rows = re.findall(r"(?m)^\|(?! case |---)(.+)\|$", page)
    assert len(rows) > 50
    for row in rows:
        cells = [cell.strip() for cell in row.split(" | ")]
        assert len(cells) == 4 and all(cells), row
        file, name = re.fullmatch(r"`([\w/]+\.py)::(\w+)`", cells[-1]).groups()
        source = (ROOT / "tests" / file).read_text(encoding="utf-8")
        assert re.search(rf"(?m)^def {name}\(", source), row
