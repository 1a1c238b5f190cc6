"""Signals as a terminal would have them, one thread a process, the order for side-by-side runs, and the toy jobs."""

import gc
import importlib.util
import os
import pathlib
import signal

import pytest

# A shell's background job ignores Ctrl-C, and so would all its children: the tests of
# interrupted jobs need it heard.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Before TensorFlow is imported: tests run side by side, one process a core.
for _name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

# What is imported lives to the end: to look through it again and again takes seconds.
gc.disable()

# The environments of the callback's tests have no training stack, and no test of jobs. (The folder
# gin/ would pass for the package gin.)
pytest_plugins = ["toy_jobs"] if importlib.util.find_spec("tf_agents") else []

# Folders and files whose tests share trained agents, the runs of toy jobs, or the one Ray cluster
# that a machine is asked for.
_GROUPS = {
    "agents": "agents",
    "jobs": "jobs",
    "report": "jobs",
    "test_launch.py": "jobs",
    "test_ray_node_loss.py": "ray",
    "test_ray_workers.py": "ray",
}


@pytest.fixture(scope="session", autouse=True)
def no_waiting_for_the_disk():
    """`os.fsync` without its wait, here and not in commands: no test loses power."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


def pytest_collection_finish():
    """All is imported."""
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(config, items):
    """The smoke tests first where tests run side by side: the workers then end together."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: item.get_closest_marker("smoke") is None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Deals out whole files, and together those that share a fixture which takes seconds to build."""
    from xdist.scheduler import LoadScopeScheduling

    class Files(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            path = pathlib.PurePosixPath(nodeid.partition("::")[0])
            groups = [_GROUPS[part] for part in path.parts if part in _GROUPS]
            return groups[0] if groups else str(path)

    config.option.loadscopereorder = False
    return Files(config, log)
