"""Reinforcement learning: the only room that imports TF-Agents."""

import contextlib
import io

# TF-Agents imports gym, which prints a notice of its end of life in every process.
with contextlib.redirect_stderr(io.StringIO()):
    import gym  # noqa: F401
