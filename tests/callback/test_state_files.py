"""Files of a run in progress: the newest that fits, damaged ones left out."""

from __future__ import annotations

import os

import numpy as np
import pytest

from learned_lr.callback.state_files import StateFiles


def _loaded(files, num_updates):
    """(its number of updates, the state) or None."""
    states = []
    number = files.load(num_updates, states.append)
    return None if number is None else (number, states[-1])


def _filled(folder, numbers):
    files = StateFiles(str(folder))
    for number in numbers:
        files.save(number, {"value": np.array(number * 1.5)})
    return files


def test_newest_not_after(tmp_path):
    files = _filled(tmp_path / "state", [0, 10, 30])
    for updates, expected in [(0, 0), (9, 0), (10, 10), (29, 10), (99, 30)]:
        number, state = _loaded(files, updates)
        assert number == expected
        assert float(state["value"]) == expected * 1.5


def test_nothing_there(tmp_path):
    files = StateFiles(str(tmp_path / "state"))
    assert _loaded(files, 5) is None
    files.clear()
    assert not (tmp_path / "state").exists()
    files.save(9, {"value": np.zeros(1)})
    assert _loaded(files, 5) is None


@pytest.mark.parametrize("num_bytes", [0, 1, 40, 120])
def test_damaged_file_falls_back(tmp_path, num_bytes):
    files = _filled(tmp_path, [10, 20])
    path = tmp_path / "000000000020.npz"
    path.write_bytes(path.read_bytes()[:num_bytes])
    with pytest.warns(UserWarning, match="000000000020.npz is damaged"):
        number, state = _loaded(files, 25)
    assert (number, float(state["value"])) == (10, 15.0)


def test_states_that_may_be_needed_stay(tmp_path):
    for are_all_needed, expected in ((False, None), (True, (10, 15.0))):
        files = StateFiles(str(tmp_path), are_all_needed)
        for number in (10, 20):
            files.save(number, {"value": np.array(number * 1.5)})
        files.remove_before(20)
        found = _loaded(files, 15)
        assert (found and (found[0], float(found[1]["value"]))) == expected


def test_states_of_later_moments_are_removed(tmp_path):
    files = _filled(tmp_path, [10, 20, 30])
    files.remove_after(20)
    assert _loaded(files, 99)[0] == 20
    files.remove_after(-1)
    assert _loaded(files, 99) is None


def test_a_training_that_is_kept_keeps_its_states(tmp_path):
    files = StateFiles(str(tmp_path), is_kept=True)
    files.save(10, {"value": np.zeros(1)})
    files.clear()
    assert _loaded(files, 10)[0] == 10


def test_cleaning_spares_other_files(tmp_path):
    files = _filled(tmp_path, [10, 20])
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    files.remove_before(20)
    assert _loaded(files, 15) is None
    files.clear()
    assert os.listdir(tmp_path) == ["notes.txt"]
