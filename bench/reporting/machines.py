"""On which kinds of machine runs were trained: seconds are compared on one kind alone."""

from collections.abc import Iterable, Mapping

from bench.store.environment import THEN

# What decides seconds. Virtual processors of one name have different features; pinned arithmetic,
# which runs of `--portable` have, is slower.
FIELDS = ("cpu", "device", "threads", "features", "pins")


def machine_of(environment: Mapping[str, object]) -> str:
    """The kind of machine of a run's environment, by `FIELDS`; of a run that was resumed elsewhere
    one in each line. What a system, or an earlier run, does not say is unknown."""
    fields = [str(environment.get(name) or "unknown").split(THEN) for name in FIELDS]
    places = range(max(map(len, fields)))
    kinds = ("; ".join(field[min(place, len(field) - 1)] for field in fields) for place in places)
    return "\n".join(dict.fromkeys(kinds))


def count_kinds(machines: Iterable[str]) -> int:
    """Number of different kinds in what `machine_of` gives for some runs."""
    return len({kind for machine in machines for kind in machine.splitlines()})


def kinds_text(number: int) -> str:
    """So many kinds, in words."""
    return f"{number} kinds of machine or arithmetic"
