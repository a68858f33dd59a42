"""A folder of two small pictures in each of seven classes."""

from pathlib import Path

from bench.datasets import verify
from tests.support.tiny import quiet

NAMES = [f"{label}/{i}.png" for label in "abcdefg" for i in range(2)]


def verify_zoo(zoo: Path) -> list[str]:
    """The problems of the folder."""
    return verify("folder:zoo", zoo.parent, quiet)
