"""Signals as a terminal would have them, wherever the tests are started from."""

import signal

# A shell's background job ignores Ctrl-C, and so would all its children: the tests of
# interrupted jobs need it heard.
signal.signal(signal.SIGINT, signal.default_int_handler)
