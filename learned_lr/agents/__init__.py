"""How a controller learns: environment, collection of episodes, PPO, export.

The only room that imports TF-Agents. May import it, TensorFlow, gin, `control` and `trainees`;
must not know run directories, workers or jobs.
"""

import contextlib
import io

# TF-Agents imports gym, which prints a notice of its end of life in every process.
with contextlib.redirect_stderr(io.StringIO()):
    import gym  # noqa: F401
