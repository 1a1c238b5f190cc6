"""Arrays by name as the bytes of an npz archive, and back. No pickle.

May import numpy; must not know what the arrays stand for.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

import numpy as np


def pack(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Returns an npz archive with a fixed date: the same arrays always give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(arrays):
            content = io.BytesIO()
            np.save(content, np.ascontiguousarray(arrays[name]), allow_pickle=False)
            archive.writestr(
                zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)),
                content.getvalue(),
            )
    return buffer.getvalue()


def unpack(content: bytes) -> dict[str, np.ndarray]:
    """Returns the arrays of an npz archive.

    Raises:
      ValueError: if it is damaged, or holds something else.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    # What zipfile and numpy raise depends on the damaged byte: BadZipFile, NotImplementedError, zlib.error, EOFError,
    # RuntimeError, TokenError, MemoryError and others, and no list of them is whole.
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(
            f"Expected an archive of arrays, found damage ({reason})."
        ) from error
    wrong = [n for n, array in arrays.items() if not isinstance(array, np.ndarray)]
    if wrong:
        raise ValueError(
            f"Expected an archive of arrays, found something else in {wrong}."
        )
    return arrays
