"""On which kinds of machine runs were trained: seconds are compared on one kind alone."""

from collections.abc import Mapping

# What decides seconds. Virtual processors of one name have different features; pinned arithmetic,
# which runs of `--portable` have, is slower. A run that was resumed elsewhere names both places.
FIELDS = ("cpu", "device", "threads", "features", "pins")
DEFAULTS = {"pins": ""}  # earlier runs lack some fields; without pins nothing was pinned


def machine_of(environment: Mapping[str, object]) -> tuple[object, ...]:
    """The kind of machine of a run's environment, by `FIELDS`."""
    return tuple(environment.get(name, DEFAULTS.get(name, "unknown")) for name in FIELDS)
