"""A process that does not exist, and the temporary files and folders of processes."""

from bench.temporary import machine

NO_PROCESS = 2**22 + 1  # beyond the highest number of a process


def temporary_name(name: str, process: int = NO_PROCESS) -> str:
    """The name under which a process writes what is to become `name`."""
    return f".{name}.{machine()}.0a1b2c3d.{process}.tmp"
