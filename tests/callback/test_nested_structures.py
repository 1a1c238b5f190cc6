"""Dicts, lists and tuples of arrays."""

from __future__ import annotations

import numpy as np

from learned_lr.callback import nested_structures

_NESTED = {"a": np.arange(2), "b": [np.arange(3), (np.arange(4),)]}


def test_leaves_come_in_order():
    assert [len(a) for a in nested_structures.leaves(_NESTED)] == [2, 3, 4]
    assert nested_structures.leaves("alone") == ["alone"]
    assert nested_structures.leaves({}) == []


def test_structure_stays():
    found = nested_structures.map_structure(len, _NESTED)
    assert found == {"a": 2, "b": [3, (4,)]}
    assert nested_structures.map_structure(len, _NESTED["a"]) == 2
