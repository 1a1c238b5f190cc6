"""The layers of the user's model, however deeply nested, and the final dense one among them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras


def final_kernel(model: keras.Model, num_outputs: int | None) -> Any:
    """Returns the kernel of the last dense layer that is as wide as the output; None if there is none.

    Args:
      model: a built Keras model.
      num_outputs: int, the width of the output; None for a layer of any width.
    """
    found = None
    for layer in flat(model):
        kernel = getattr(layer, "kernel", None)
        if not isinstance(layer, keras.layers.Dense) or kernel is None:
            continue
        if num_outputs in (None, kernel.shape[-1]):
            found = kernel
    return found


def flat(layer: Any) -> Iterator[Any]:
    """Yields the layers in a layer or model, those in them, and so on."""
    children = getattr(layer, "layers", None)
    if not children and hasattr(layer, "_flatten_layers"):
        children = [
            c
            for c in layer._flatten_layers(include_self=False, recursive=False)
            if c is not layer
        ]
    for child in children or []:
        yield child
        yield from flat(child)
