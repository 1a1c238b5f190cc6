"""The order of the rooms: which module may import what, and what the package may hold.

Reads the sources with `ast`, so imports inside functions count too, and nothing heavy is imported.
"""

from __future__ import annotations

import ast
import importlib.util
import pathlib
import runpy
import sys
import sysconfig

import pytest
import setuptools

import learned_lr

ROOT = pathlib.Path(__file__).resolve().parents[1]
MAX_NUM_LINES = 300

# A module imports only from its own room and from earlier ones.
ROOMS = (
    "official_resnet",
    "learned_lr.control",
    "learned_lr.callback",
    "learned_lr.trainees",
    "learned_lr.agents",
    "learned_lr.execution",
    "learned_lr.report",
    "learned_lr.jobs",
    "learned_lr.launch",
    "doors",
)
OWN_PACKAGES = ("learned_lr", "official_resnet")
# Third parties of each room, imports inside functions too.
ALLOWED_THIRD_PARTIES = {
    "official_resnet": {"keras", "numpy", "tensorflow"},
    "learned_lr.control": {"numpy"},
    "learned_lr.callback": {"jax", "keras", "numpy", "tensorflow", "torch"},
    # absl and requests come with TensorFlow Datasets.
    "learned_lr.trainees": {
        "absl",
        "gin",
        "keras",
        "numpy",
        "requests",
        "sklearn",
        "tensorflow",
        "tensorflow_datasets",
    },
    "learned_lr.agents": {
        "gin",
        "gym",
        "numpy",
        "tensorflow",
        "tensorflow_probability",
        "tf_agents",
    },
    "learned_lr.execution": {"gin", "ray", "tensorflow"},
    "learned_lr.report": {"jinja2", "matplotlib", "numpy", "pandas", "scipy"},
    "learned_lr.jobs": {
        "gin",
        "matplotlib",
        "numpy",
        "tensorboard",
        "tensorflow",
        "tqdm",
    },
    "learned_lr.launch": {"absl", "gin"},
    "doors": {"matplotlib"},
}
# Rooms that leave others above them alone, so that they can be used without what those need.
MUST_NOT_KNOW = {
    "learned_lr.control": ("official_resnet",),
    "learned_lr.callback": ("official_resnet",),
    "learned_lr.report": (
        "official_resnet",
        "learned_lr.control",
        "learned_lr.callback",
        "learned_lr.trainees",
        "learned_lr.agents",
    ),
}


def _module_name(path: pathlib.Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {
    _module_name(path): path
    for package in OWN_PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
}


def _room(name: str) -> str | None:
    """The room of a module or of a name in it; None for the bare package and for what is not the project's."""
    if name.endswith(".__main__"):
        return "doors"
    for room in ROOMS[:-1]:
        if f"{name}.".startswith(f"{room}."):
            return room
    return "doors" if name.startswith("learned_lr.") else None


def _imported_names(source: str, package: str) -> list[str]:
    """Full dotted names of all that a module in `package` imports, relative imports resolved."""
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            origin = importlib.util.resolve_name(
                "." * node.level + (node.module or ""), package
            )
            # `from package import module` imports a module, so the name belongs to the path.
            names += [f"{origin}.{alias.name}" for alias in node.names]
    return names


def _imports_of(name: str) -> list[str]:
    path = MODULES[name]
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    return _imported_names(path.read_text(encoding="utf-8"), package)


def _is_standard_library(name: str) -> bool:
    # sys.stdlib_module_names is not in Python 3.9.
    if name in sys.builtin_module_names or name == "__future__":
        return True
    spec = importlib.util.find_spec(name)
    origin = pathlib.Path(spec.origin) if spec and spec.origin else None
    if origin is None or {"site-packages", "dist-packages"} & set(origin.parts):
        return False
    return (
        spec.origin == "frozen"
        or pathlib.Path(sysconfig.get_path("stdlib")) in origin.parents
    )


def _third_parties(name: str) -> set[str]:
    tops = {imported.partition(".")[0] for imported in _imports_of(name)}
    return {
        top for top in tops if top not in OWN_PACKAGES and not _is_standard_library(top)
    }


def test_imports_are_found_wherever_they_stand():
    source = """
import os.path
from . import actions
from ..trainees.tasks import Task
def f():
    import tf_agents.agents as agents
    from learned_lr import control
if TYPE_CHECKING:
    from numpy import ndarray
"""
    assert sorted(_imported_names(source, "learned_lr.control")) == [
        "learned_lr.control",
        "learned_lr.control.actions",
        "learned_lr.trainees.tasks.Task",
        "numpy.ndarray",
        "os.path",
        "tf_agents.agents",
    ]


@pytest.mark.parametrize(
    ("name", "room"),
    [
        ("official_resnet.blocks", "official_resnet"),
        ("learned_lr.control", "learned_lr.control"),
        ("learned_lr.launch", "learned_lr.launch"),
        ("learned_lr.train", "doors"),
        ("learned_lr.report.pages", "learned_lr.report"),
        ("learned_lr.report.__main__", "doors"),
        ("learned_lr", None),
        ("learned_lrs.control", None),
    ],
)
def test_room_of_a_name(name, room):
    assert _room(name) == room


def test_standard_library_is_told_from_third_parties():
    names = ("os", "sys", "math", "json", "dataclasses", "numpy", "pytest", "no_such")
    found = [name for name in names if _is_standard_library(name)]
    assert found == ["os", "sys", "math", "json", "dataclasses"]


@pytest.mark.parametrize("room", ROOMS)
def test_room_imports_only_from_itself_and_earlier_rooms(room):
    modules = [name for name in MODULES if _room(name) == room]
    assert modules, f"{room} holds no module"
    allowed = {None, *ROOMS[: ROOMS.index(room) + 1]}
    found = [
        f"{name} imports {imported}"
        for name in modules
        for imported in _imports_of(name)
        if _room(imported) not in allowed
    ]
    assert found == []


def test_package_itself_imports_what_it_offers_when_asked_for():
    tree = ast.parse(MODULES["learned_lr"].read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    assert ast.unparse(block.test) == "TYPE_CHECKING"
    for_type_checkers = _imported_names(ast.unparse(block.body), "learned_lr")
    block.body = [ast.Pass()]
    at_run_time = _imported_names(ast.unparse(tree), "learned_lr")
    assert sorted(at_run_time) == ["importlib", "typing.TYPE_CHECKING"]
    offered = [f"{learned_lr._MODULES[name]}.{name}" for name in learned_lr.__all__]
    assert sorted(for_type_checkers) == sorted(offered)
    assert set(learned_lr.__all__) == set(learned_lr._MODULES)


@pytest.mark.parametrize("room", MUST_NOT_KNOW)
def test_room_leaves_others_alone(room):
    found = [
        f"{name} imports {imported}"
        for name in MODULES
        if _room(name) == room
        for imported in _imports_of(name)
        if _room(imported) in MUST_NOT_KNOW[room]
    ]
    assert found == []


@pytest.mark.parametrize("room", ROOMS)
def test_third_parties_of_a_room(room):
    allowed = ALLOWED_THIRD_PARTIES[room]
    found = {
        name: _third_parties(name) - allowed
        for name in MODULES
        if _room(name) == room and not _third_parties(name) <= allowed
    }
    assert found == {}


@pytest.mark.parametrize("room", [room for room in ROOMS if "." in room])
def test_room_says_what_it_holds(room):
    path = ROOT.joinpath(*room.split("."))
    if path.is_dir():
        docstring = ast.get_docstring(ast.parse((path / "__init__.py").read_text()))
        docstring = " ".join(docstring.split())
        assert "May import" in docstring or "may import" in docstring
        assert "must not know" in docstring or "nothing but" in docstring


def test_only_agents_imports_tf_agents():
    rooms = {_room(name) for name in MODULES if "tf_agents" in _third_parties(name)}
    assert rooms <= {"learned_lr.agents"}


def test_no_module_imports_gin_tf():
    # gin.tf imports TensorFlow, which plain gin does without.
    found = [
        name
        for name in MODULES
        for imported in _imports_of(name)
        if f"{imported}.".startswith("gin.tf.")
    ]
    assert found == []


def test_files_are_short():
    num_lines = {
        name: len(path.read_text(encoding="utf-8").splitlines())
        for name, path in MODULES.items()
    }
    assert {name: n for name, n in num_lines.items() if n > MAX_NUM_LINES} == {}


def test_configurations_do_not_hide_the_gin_package(monkeypatch):
    # The folder gin/ must be neither a package here nor part of what is installed.
    assert not (ROOT / "gin" / "__init__.py").exists()
    arguments = {}
    monkeypatch.setattr(setuptools, "setup", arguments.update)
    monkeypatch.chdir(ROOT)
    runpy.run_path("setup.py")
    packages = arguments["packages"]
    assert "learned_lr.control" in packages
    assert {name.partition(".")[0] for name in packages} == set(OWN_PACKAGES)
    assert arguments["install_requires"] == ["numpy>=1.22"]
