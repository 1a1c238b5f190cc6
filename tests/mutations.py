"""Damage for loaders to meet: bytes, JSON values and arrays that are changed, left out or added.

The tests that draw it allow two ends: what was loaded acts finitely, or the one documented error.
"""

from __future__ import annotations

import copy
import math
import sys
import tempfile

import hypothesis
import numpy as np
from hypothesis import strategies as st

# Hypothesis writes what it finds in the sources, too; beside no sources.
_HOME = tempfile.TemporaryDirectory()
hypothesis.configuration.set_hypothesis_home_dir(_HOME.name)

# The same examples in every run, of no more than a few seconds a test, and nothing kept of them.
mutations = hypothesis.settings(
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=250,
    phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
)

NUMBERS = (
    *(0, 1, -1, 2, 1.5, -0.5, 1e-3, 2**31, 2**63, 10**400, sys.maxsize),
    *(math.nan, math.inf, -math.inf, 1e-320, 1e-60, 1e39, 1e308, -1e308),
)
_ODD_VALUES = st.one_of(
    st.sampled_from(NUMBERS),
    st.sampled_from((None, True, False, "", "tanh", "1", [], {}, [0.5], {"a": [1]})),
    st.floats(),
    st.integers(),
    st.text(max_size=3),
).map(copy.deepcopy)  # The lists, lest a later change changes them for all.
_ARRAY_VALUES = (math.nan, math.inf, -math.inf, -1.0, 0.0, 0.5, 1e20, 3e38, -3e38)
_DTYPES = ("f8", "f4", ">f4", "f2", "i8", "i4", "u1", "?", "c8", "U3", "M8[s]")


def damaged_bytes(content: bytes) -> st.SearchStrategy[bytes]:
    """The content with a few bytes changed, cut, left out or put in."""
    position = st.integers(0, max(len(content) - 1, 0))

    @st.composite
    def damaged(draw):
        changed = bytearray(content)
        kind = draw(st.sampled_from(("flip", "flip", "flip", "cut", "drop", "insert")))
        for place in draw(st.lists(position, min_size=1, max_size=3)):
            if kind == "flip" and place < len(changed):
                changed[place] ^= draw(st.integers(1, 255))
            elif kind == "cut":
                del changed[place:]
            elif kind == "drop":
                del changed[place : place + draw(st.integers(1, 9))]
            elif kind == "insert":
                changed[place:place] = draw(st.binary(min_size=1, max_size=9))
        return bytes(changed)

    return damaged()


def _paths(value, path=()):
    """Where a JSON document has values, the document itself left out."""
    items = {dict: lambda v: v.items(), list: enumerate}.get(type(value))
    for key, part in items(value) if items else ():
        yield (*path, key)
        yield from _paths(part, (*path, key))


@st.composite
def damaged_documents(draw, document):
    """The document with one value, or two, replaced, left out or added."""
    changed = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 2))):
        *place, key = draw(st.sampled_from(sorted(_paths(changed), key=repr)))
        part = changed
        for name in place:
            part = part[name]
        kind = draw(st.sampled_from(("replace", "replace", "drop", "add")))
        if kind == "drop":
            del part[key]
        elif kind == "replace":
            part[key] = draw(_ODD_VALUES)
        elif isinstance(part, dict):
            part[draw(st.text(max_size=3))] = draw(_ODD_VALUES)
        else:
            part.append(draw(_ODD_VALUES))
        if not changed:
            break
    return changed


@st.composite
def damaged_arrays(draw, arrays):
    """The arrays with one of them, or two, changed, left out or added."""
    changed = dict(arrays)
    for _ in range(draw(st.integers(1, 2))):
        name = draw(st.sampled_from(sorted(changed)))
        kind = draw(
            st.sampled_from(("value", "value", "dtype", "shape", "drop", "add"))
        )
        array = changed[name]
        if kind == "drop" and len(changed) > 1:
            del changed[name]
        elif kind == "add":
            changed[draw(st.text("abc/.", min_size=1, max_size=3))] = array
        elif kind == "dtype" and array.dtype.kind in "fi":
            with np.errstate(invalid="ignore"):
                changed[name] = array.astype(draw(st.sampled_from(_DTYPES)))
        elif kind == "shape":
            changed[name] = draw(st.sampled_from(_other_shapes(array)))
        elif kind == "value" and array.size and array.dtype.kind in "fi":
            changed[name] = array.copy()
            values = (
                _ARRAY_VALUES if array.dtype.kind == "f" else (-1, 0, 2**31, -(2**40))
            )
            place = draw(st.integers(0, array.size - 1))
            with np.errstate(over="ignore"):
                value = np.array(draw(st.sampled_from(values))).astype(array.dtype)
                changed[name].flat[place] = value
    return changed


def _other_shapes(array):
    return [
        array[None],
        array.reshape(-1),
        array.T,
        np.zeros(0, array.dtype),
        np.zeros((*array.shape, 0), array.dtype),
        array.reshape(-1)[:-1],
        array.reshape(-1)[:1].reshape(()) if array.size else np.zeros((), array.dtype),
        np.concatenate([array, array]) if array.ndim else np.stack([array, array]),
    ]
