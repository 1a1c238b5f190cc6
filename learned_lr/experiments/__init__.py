"""Jobs: long computations that leave a run directory and resume after a kill."""
