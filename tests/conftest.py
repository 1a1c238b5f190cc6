"""Signals as a terminal would have them, one thread a process, the order for side-by-side runs, and the toy jobs."""

import gc
import importlib.util
import os
import signal

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


def pytest_collection_finish():
    """All is imported."""
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(config, items):
    """The smoke tests first where files are dealt out to workers: these then end together."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: item.get_closest_marker("smoke") is None)
