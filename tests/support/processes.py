"""Numbers of processes."""

NO_PROCESS = 2**22 + 1  # beyond the highest number of a process
