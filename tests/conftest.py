"""Signals as a terminal would have them, wherever the tests are started from, and the toy jobs."""

import importlib.util
import signal

# A shell's background job ignores Ctrl-C, and so would all its children: the tests of
# interrupted jobs need it heard.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The environments of the callback's tests have no training stack, and no test of jobs. (The folder
# gin/ would pass for the package gin.)
pytest_plugins = ["toy_jobs"] if importlib.util.find_spec("tf_agents") else []
