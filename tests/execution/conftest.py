"""What the tests of the engine 'ray' share."""

from __future__ import annotations

import pathlib
import shutil
import tempfile

import pytest

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_HERE = pathlib.Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def environment():
    """The environment in which Ray's processes find this package and worker_functions.

    Ray notes the address of a cluster in its folder: one that died elsewhere on this machine
    would be waited for in vain. (pytest's own folders are too long for Ray's sockets.)
    """
    import ray

    ray_dir = tempfile.mkdtemp(prefix="ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{_ROOT}:{_HERE}")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_TMPDIR", ray_dir)
        yield
        ray.shutdown()
    shutil.rmtree(ray_dir, ignore_errors=True)
