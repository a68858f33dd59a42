"""What is not as it was when a run was made, and may explain other numbers."""

from collections.abc import Iterator, Mapping
from typing import Any

from bench.store.environment import THEN

# Without the commit: code that changes a number without a new version of the protocol is a fault.
FIELDS = ("cpu", "features", "pins", "device", "threads", "python", "platform")


def changes(
    then: Mapping[str, Any], here: Mapping[str, Any], words: tuple[str, str] = ("then", "here")
) -> Iterator[str]:
    """The differences between the environment of a run and this one, in words.

    Arguments: tables as `bench.store.environment.describe` makes them; words, what they are of.
    """
    before, now = words
    for name in FIELDS:
        version, other = (table.get(name) for table in (then, here))
        if None in (version, other) or version == other:  # earlier runs lack some
            continue
        if name != "device" or not same_gpu(str(version), str(other)):
            yield f"{name} {shown(version)} {before}, {shown(other)} {now}"
    for name in sorted(then["packages"]):
        version, other = then["packages"][name], here["packages"].get(name, "not installed")
        if name != "proxy-bench" and version != other:
            yield f"{name} {version} {before}, {other} {now}"


def same_gpu(one: str, other: str) -> bool:
    """Whether two devices may be one GPU: earlier runs do not name theirs."""
    gpus = one.startswith("cuda") and other.startswith("cuda")
    return gpus and not ("(" in one and "(" in other)


def shown(value: object) -> str:
    """A field in words."""
    return f"({value})" if THEN in str(value) else str(value) or "none"
