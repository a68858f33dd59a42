"""How many cores this process may use."""

import os
import sys


def cores() -> int:
    """Cores that this process may use, where the system tells it, or all."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
