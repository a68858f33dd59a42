"""A suite file as TOML, with limits on what its checks can take."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.datasets.files.text import decode_text

DEEPEST = 10  # tables within tables; a suite has five
BITS = 64  # of a whole number, as TOML has it


def read_toml(path: Path) -> dict[str, Any]:
    """Content of a TOML file.

    Raises: OSError; ValueError with the line or field if it is not TOML, nested too deeply or has
    a number beyond 64 bits.
    """
    try:
        content = tomllib.loads(decode_text(path.read_bytes()))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except ValueError as error:
        long = "integer string conversion" in str(error)  # of more than 4,300 digits
        raise ValueError(f"a number is beyond {BITS} bits" if long else error) from error
    for mistake in beyond_limits(content, ""):
        raise ValueError(mistake)
    return content


def beyond_limits(value: Any, field: str, depth: int = 0) -> Iterator[str]:
    """What is nested too deeply, and whole numbers that are too large, `field: mistake`."""
    if depth > DEEPEST:
        yield f"{field[:60]}...: it is nested too deeply"
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from beyond_limits(inner, f"{field}.{name}".lstrip("."), depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from beyond_limits(inner, field, depth + 1)
    elif isinstance(value, int) and value.bit_length() >= BITS:
        yield f"{field}: a whole number is beyond {BITS} bits"
