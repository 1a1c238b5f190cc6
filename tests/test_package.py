"""The wheel: what is in it, what it says of itself, and that it works where there is nothing but numpy.

The tests marked `wheel` need `dist/` (`make wheel`) and the network; `make test-wheel` runs them.
"""

from __future__ import annotations

import email
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import zipfile

import pytest
from installed_package import facts

import learned_lr

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGES = ("learned_lr", "official_resnet")
# gin/ and tests/ must not get into a wheel, so they lie where they could.
SOURCES = (
    *PACKAGES,
    "gin",
    "tests",
    "setup.py",
    "pyproject.toml",
    "README.md",
    "LICENSE",
)
PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13")
RUNNING_PYTHON = "{}.{}".format(*sys.version_info[:2])
# The oldest numpy that setup.py allows, on the oldest Python.
NUMPY = {"3.9": "numpy==1.22.0"}


def _run(command, **options):
    process = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        **options,
    )
    assert process.returncode == 0, f"{process.stdout}\n{process.stderr}"
    return process.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of the tree, built from a copy: setuptools packs what an earlier build left in the tree."""
    source = tmp_path_factory.mktemp("source")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, source / name, ignore=ignore)
        else:
            shutil.copy(ROOT / name, source / name)
    folder = tmp_path_factory.mktemp("wheel")
    offline = ("--no-index", "--no-deps", "--no-build-isolation")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    _run([*pip, "wheel", *offline, "--wheel-dir", folder, "."], cwd=source)
    (path,) = folder.iterdir()
    return path


@pytest.fixture(scope="module")
def names(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def metadata(wheel, names):
    (name,) = [name for name in names if name.endswith(".dist-info/METADATA")]
    with zipfile.ZipFile(wheel) as archive:
        return email.message_from_string(archive.read(name).decode("utf-8"))


def test_wheel_is_for_any_python(wheel):
    assert wheel.name == f"learned_lr-{learned_lr.__version__}-py3-none-any.whl"


def test_wheel_holds_all_of_both_packages_and_nothing_else(names):
    expected = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in names if ".dist-info/" not in name} == expected


def test_wheel_holds_no_gin_and_no_tests(wheel, names):
    tops = {name.partition("/")[0] for name in names}
    information = f"learned_lr-{learned_lr.__version__}.dist-info"
    assert tops == {*PACKAGES, information}
    # A folder without modules leaves no file in a wheel, yet hides a package of its name in an editable installation.
    with zipfile.ZipFile(wheel) as archive:
        packages = archive.read(f"{information}/top_level.txt").decode().split()
    assert packages == list(PACKAGES)


@pytest.mark.parametrize(
    "name",
    [
        "learned_lr/py.typed",
        "learned_lr/control/pretrained/fashion_mnist_lenet5/spec.json",
        "learned_lr/control/pretrained/fashion_mnist_lenet5/weights.npz",
        "learned_lr/control/pretrained/cifar10_relative/weights.npz",
        "learned_lr/report/paper_data/table1.csv",
        "learned_lr/report/paper_data/figure2.csv",
        "learned_lr/report/paper_data/SOURCE.md",
    ],
)
def test_wheel_holds_data(names, name):
    assert name in names


def test_long_description_is_the_readme(metadata):
    assert metadata["Description-Content-Type"] == "text/markdown"
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert metadata.get_payload().strip() == readme.strip()


def test_metadata_says_who_and_what(metadata):
    assert metadata["Name"] == "learned_lr"
    assert metadata["Version"] == learned_lr.__version__
    assert metadata["Summary"].startswith("A trained controller picks the")
    assert metadata["Author"] == "The learned_lr developers"
    assert metadata["License-Expression"] == "MIT"
    assert metadata.get_all("License-File") == ["LICENSE"]
    assert metadata["Requires-Python"] == ">=3.9"
    keywords = metadata["Keywords"].split(",")
    assert {"learning rate", "reinforcement learning", "keras"} <= set(keywords)


def test_classifiers_name_each_python(metadata):
    classifiers = metadata.get_all("Classifier")
    found = re.findall(r"Python :: (3\.\d+)$", "\n".join(classifiers), re.MULTILINE)
    assert tuple(found) == PYTHONS
    assert "Intended Audience :: Science/Research" in classifiers
    assert "Topic :: Scientific/Engineering :: Artificial Intelligence" in classifiers
    assert "Typing :: Typed" in classifiers


def test_links_lead_to_the_paper_alone(metadata):
    assert metadata.get_all("Project-URL") == [
        "Paper, https://arxiv.org/abs/1909.09712"
    ]


def test_light_side_requires_numpy_alone(metadata):
    required = metadata.get_all("Requires-Dist")
    assert [line for line in required if "extra ==" not in line] == ["numpy>=1.22"]
    assert set(metadata.get_all("Provides-Extra")) >= {"train", "test", "report", "ray"}


@pytest.mark.parametrize("extra", ["train", "report"])
def test_reports_can_be_written_with(metadata, extra):
    required = metadata.get_all("Requires-Dist")
    lines = [line for line in required if line.endswith(f'extra == "{extra}"')]
    for name in ("jinja2", "matplotlib", "scipy"):
        assert any(line.startswith(name) for line in lines), name


def test_lock_holds_what_setup_asks_for(metadata):
    lock = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    (command,) = re.findall(r"^# +(uv pip compile .+)$", lock, re.MULTILINE)
    locked_extras = re.findall(r"--extra (\S+)", command)
    locked = set(re.findall(r"^([\w.-]+)==", lock, re.MULTILINE))
    for line in metadata.get_all("Requires-Dist"):
        extra = re.search(r'extra == "(.+)"', line)
        if extra is None or extra.group(1) in locked_extras:
            name = re.match(r"[\w.-]+", line).group()
            assert name.lower().replace("_", "-") in locked, line


def test_citation_and_changelog_know_the_version():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {learned_lr.__version__}\n" in citation
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## \[(.+?)\]", changelog, re.MULTILINE)
    assert headings[:2] == ["Unreleased", learned_lr.__version__]


def _assert_works(found, folder):
    """Compares `installed_package` in another place with the checkout."""
    expected = facts()
    assert pathlib.Path(found["folder"]) == folder
    assert found["version"] == expected["version"]
    assert found["networks"] == expected["networks"]
    assert set(found["learning_rates"]) == set(expected["learning_rates"])
    for name, rates in expected["learning_rates"].items():
        # Builds of numpy round the last bits of a float32 in their own ways.
        assert found["learning_rates"][name] == pytest.approx(rates, rel=1e-5), name


def test_unpacked_wheel_works(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    script = ROOT / "tests" / "installed_package.py"
    output = _run([sys.executable, script], env=environment, cwd=tmp_path)
    _assert_works(json.loads(output), tmp_path / "learned_lr")


def _interpreter(version):
    """Returns a Python of this version that runs, or None: a name on the PATH may be a shim with nothing behind it."""
    pyenv = pathlib.Path(os.environ.get("PYENV_ROOT", pathlib.Path.home() / ".pyenv"))
    candidates = [
        sys.executable,
        f"python{version}",
        *sorted(pyenv.glob(f"versions/{version}.*/bin/python")),
    ]
    code = "import sys; print('{}.{}'.format(*sys.version_info[:2]))"
    for candidate in candidates:
        try:
            process = subprocess.run(
                [candidate, "-c", code], capture_output=True, text=True, check=False
            )
        except OSError:
            continue
        if process.stdout.strip() == version:
            return candidate
    return None


@pytest.fixture(scope="module")
def published_wheel():
    found = list((ROOT / "dist").glob("*.whl"))
    assert len(found) == 1, f"Expected one wheel in dist/ (make wheel), found {found}."
    return found[0]


@pytest.fixture(scope="module", params=PYTHONS)
def environment(request, published_wheel):
    """(version, python) of an environment with the wheel and what the wheel asks for."""
    version = request.param
    interpreter = _interpreter(version)
    if interpreter is None:
        pytest.skip(f"no Python {version} that runs was found")
    folder = ROOT / f".venv-wheel-{version}"
    python = folder / "bin" / "python"
    # pip is tested for, because an environment that failed half-way has a python and no pip.
    if not (folder / "bin" / "pip").exists():
        _run([interpreter, "-m", "venv", "--clear", folder])
    pip = (python, "-m", "pip", "--quiet", "--disable-pip-version-check", "install")
    _run([*pip, published_wheel, *NUMPY.get(version, "numpy").split()])
    _run([*pip, "--no-deps", "--force-reinstall", published_wheel])
    return version, python


@pytest.mark.wheel
def test_light_side_works_in_a_bare_environment(environment, tmp_path):
    version, python = environment
    script = ROOT / "tests" / "installed_package.py"
    found = json.loads(_run([python, "-I", script], cwd=tmp_path))
    assert found["python"] == version
    if version in NUMPY:
        assert f"numpy=={found['numpy']}" == NUMPY[version]
    environment_folder = python.parents[1]
    packages = environment_folder / "lib" / f"python{version}" / "site-packages"
    _assert_works(found, packages / "learned_lr")


@pytest.mark.wheel
def test_controller_info_works_in_a_bare_environment(environment, tmp_path):
    _, python = environment
    command = ("-X", "utf8", "-m", "learned_lr.controller_info", "default")
    output = _run([python, "-I", *command], cwd=tmp_path)
    assert output == _run([sys.executable, *command], cwd=ROOT)
    assert "trained on: 120 tasks: cifar10-" in output


USERS_PROGRAM = """
from typing_extensions import assert_type

from learned_lr import Controller, ControlLoop, LearnedLearningRate, Replay
from learned_lr.control.controller import ControllerError, ControllerSpec
from learned_lr.control.rate_table import RateTable

loop = ControlLoop(Controller.load("default"), num_training_steps=100)
assert_type(loop, ControlLoop)
assert_type(loop.observe(2.3, 2.3, [[0.1, 0.9]], [[0.0]]), float)
assert_type(loop.schedule, RateTable)
assert_type(loop.controller.spec, ControllerSpec)
callbacks: list[type] = [LearnedLearningRate, Replay]
error: type[ValueError] = ControllerError

# Each of these is an error; a `type: ignore` that ignores nothing would be one, too.
from learned_lr import ControlLop  # type: ignore[attr-defined]

ControlLoop(1, 100)  # type: ignore[arg-type]
loop.decide(2.3, 0)  # type: ignore[arg-type]
"""


@pytest.mark.wheel
def test_types_reach_users(environment, tmp_path):
    version, python = environment
    if version != RUNNING_PYTHON:
        pytest.skip(f"types are tried once, on Python {RUNNING_PYTHON}")
    program = tmp_path / "program.py"
    program.write_text(USERS_PROGRAM, encoding="utf-8")
    mypy = (sys.executable, "-m", "mypy", "--strict", "--python-executable", python)
    assert "Success" in _run([*mypy, program], cwd=tmp_path)
