"""Which runs may be averaged, and under which name: same specification but for the seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from bench.spec import digest
from bench.store.runs import Run


@dataclass(frozen=True, eq=False)  # two groups are the same only if they are one object
class Group:
    """Runs that differ in their seed only, in order of seed; `method` is unique in its table."""

    dataset: str
    split: str
    method: str
    loss: str
    runs: tuple[Run, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(int(run.spec["seed"]) for run in self.runs)

    @property
    def table(self) -> tuple[str, str]:
        """The table it belongs to: data set and split."""
        return self.dataset, self.split


def group_runs(runs: Sequence[Run]) -> list[Group]:
    """Groups in order of data set, split and method.

    Two specifications under one method name become two groups told apart by what differs, e.g.
    "Proxy-NCA (scale 12)" and "Proxy-NCA (scale 32)".
    Raises: ValueError naming two runs if those of one data set and split were not scored on the
    same split, data and protocol, or if one seed of a specification is there twice.
    """
    tables: dict[tuple[str, str], list[Run]] = {}
    for run in sorted(runs, key=lambda run: (run.name, str(run.directory))):
        tables.setdefault((run.spec["dataset"], run.spec["split"]), []).append(run)
    return [group for key in sorted(tables) for group in table_groups(tables[key])]


def table_groups(runs: Sequence[Run]) -> list[Group]:
    """Groups of the runs on one data set and split, in order of method."""
    check_comparable(runs)
    methods: dict[str, dict[str, list[Run]]] = {}
    for run in runs:
        methods.setdefault(run.spec["method"], {}).setdefault(group_id(run), []).append(run)
    groups = [
        make_group(label, members)
        for method in sorted(methods)
        for label, members in zip(
            variant_labels(method, [members[0] for members in methods[method].values()]),
            methods[method].values(),
            strict=True,
        )
    ]
    return unique_names(sorted(groups, key=lambda group: group.method))


def make_group(method: str, runs: Sequence[Run]) -> Group:
    """Runs of one specification in order of seed; refuses a seed that is there twice."""
    ordered = sorted(runs, key=lambda run: int(run.spec["seed"]))
    for before, run in pairwise(ordered):
        if before.spec["seed"] == run.spec["seed"]:
            raise ValueError(
                f"{before.directory} and {run.directory} hold the same run (seed "
                f"{run.spec['seed']}); counted twice it would narrow the interval, delete one"
            )
    spec = ordered[0].spec
    return Group(spec["dataset"], spec["split"], method, spec["loss"], tuple(ordered))


def check_comparable(runs: Sequence[Run]) -> None:
    """Refuse runs that were not scored on the same test, whatever their method."""
    first = identity(runs[0])
    for run in runs[1:]:
        for what, value in identity(run).items():
            if value != first[what]:
                raise ValueError(
                    f"{runs[0].name} and {run.name} differ in {what} ({first[what]} and {value}) "
                    "and cannot stand in one table; keep them in separate results folders "
                    "or run one of them again"
                )


def identity(run: Run) -> dict[str, str]:
    """What must agree before two runs are compared at all."""
    return {
        "protocol version": str(run.spec["protocol"]),
        "split fingerprint": str(run.record["split"]["fingerprint"]),
        "data checksum": str(run.record.get("data_checksum", "none recorded")),
    }


def group_id(run: Run) -> str:
    """`RunSpec.group_id`, from the stored fields: those of an older version need not validate."""
    return digest({key: run.spec[key] for key in run.spec if key not in ("method", "seed")})


def variant_labels(method: str, runs: Sequence[Run]) -> list[str]:
    """Names for one run of each specification under a method name: what differs, in brackets."""
    if len(runs) == 1:
        return [method]
    own = [in_words(run.spec["loss_args"]) for run in runs]
    fields = [in_words(run.spec) | args for run, args in zip(runs, own, strict=True)]
    keys = dict.fromkeys(key for part in (*own, *fields) for key in part)  # the loss's own first
    hidden = {"method", "seed", "loss args"}
    differing = [
        key for key in keys if key not in hidden and len({str(f.get(key)) for f in fields}) > 1
    ]
    return [
        f"{method} ({', '.join(f'{key} {show(field.get(key))}' for key in differing)})"
        for field in fields
    ]


def in_words(fields: Mapping[str, object]) -> dict[str, object]:
    """{"batch_size": 32} -> {"batch size": 32}."""
    return {key.replace("_", " "): value for key, value in fields.items()}


def show(value: object) -> str:
    """A field's value for people: `12`, `on`, `not set`."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def unique_names(groups: Sequence[Group]) -> list[Group]:
    """A method may be called what the variant of another is; then both carry their digest."""
    names = [group.method for group in groups]
    return [
        group
        if names.count(group.method) == 1
        else replace(group, method=f"{group.method} [{group_id(group.runs[0])}]")
        for group in groups
    ]
