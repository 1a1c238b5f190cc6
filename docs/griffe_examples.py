"""An extension of Griffe: the example in a docstring is shown as code."""

from __future__ import annotations

import re
import textwrap

_EXAMPLE = re.compile(r"^Example:\n((?:(?:[ \t]+.*)?(?:\n|$))+)", re.MULTILINE)


def with_code(docstring: str) -> str:
    """Returns a docstring with what is indented below `Example:` as a block of Python."""

    def block(match):
        code = textwrap.dedent(match.group(1)).strip("\n")
        return f"**Example:**\n\n```python\n{code}\n```\n\n"

    return _EXAMPLE.sub(block, docstring)


try:
    from griffe import Extension
except ModuleNotFoundError:  # The tests have no Griffe.
    pass
else:

    class ExamplesAsCode(Extension):
        """Rewrites the docstrings of everything that is read."""

        def on_object(self, *, obj, **kwargs):
            """Rewrites one docstring."""
            if obj.docstring:
                obj.docstring.value = with_code(obj.docstring.value)
