"""Which runs may be averaged, and under which name: those that differ in nothing but the seed."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from bench.results import frame
from bench.spec import NAMES, NO_LOSS, SOURCES, UNSET, method_id_of
from bench.store.runs import Run
from bench.suggest import printable

if TYPE_CHECKING:
    import pandas as pd

SHA256 = re.compile("[0-9a-f]{64}")


def trained(members: "pd.DataFrame") -> "pd.DataFrame":
    """The runs with a loss; the others score a network as it starts."""
    return members[members["loss"] != NO_LOSS]


def of_one_source(run: Run) -> bool:
    """Whether the run is of a study of variance, in which one source of chance varies alone: such
    runs spread less than those of other suites, so no mean has them."""
    return run.spec.get("varies") in SOURCES


def comparable_frame(runs: Sequence[Run]) -> "pd.DataFrame":
    """`bench.results.frame` in order of data set, split, method and seed, with the
    defaults that specifications leave out.

    Within a data set and split, one `method` is one specification: two specifications under one
    name become "Proxy-NCA (scale 12)" and "Proxy-NCA (scale 32)", as `method_names` has it.
    Raises: ValueError naming two runs if those of one data set and split were not scored on the
    same split, data and protocol, or if one seed of a specification is there twice.
    """
    tables: dict[tuple[str, str], list[Run]] = {}
    for run in sorted(runs, key=lambda run: (run.name, str(run.directory))):
        tables.setdefault((run.spec["dataset"], run.spec["split"]), []).append(run)
    for members in tables.values():
        check_comparable(members)
        check_seeds(members)
    table = frame([run for members in tables.values() for run in members])
    table["method"] = [name for members in tables.values() for name in method_names(members)]
    return table.sort_values(["dataset", "split", "method", "seed"], ignore_index=True)


def check_comparable(runs: Sequence[Run]) -> None:
    """Refuse runs that were not scored on the same test, whatever their method."""
    first = identity(runs[0])
    for run in runs[1:]:
        for field, value in identity(run).items():
            if value != first[field]:
                raise ValueError(
                    f"{runs[0].name} and {run.name} differ in {field} ({first[field]} and {value}) "
                    "and cannot be in one table; keep them in separate results folders "
                    "or run one of them again"
                )


def identity(run: Run) -> dict[str, str]:
    """What must be equal before two runs are compared at all."""
    return {
        "protocol version": str(run.spec["protocol"]),
        "split fingerprint": str(run.record["split"]["fingerprint"]),
        "data checksum": str(run.record.get("data_checksum", "none recorded")),
    }


def changed_losses(runs: Iterable[Run]) -> list[str]:
    """Problems: losses whose code was changed between these runs."""
    found: dict[str, dict[str, dict[str, set[int]]]] = {}
    for run in runs:
        if source := run.record.get("loss_source"):  # earlier runs do not say
            spec, own = run.spec, found.setdefault(run.spec["loss"], {}).setdefault(str(source), {})
            where = f"{spec['method']} on {spec['dataset']}, {spec['split']}"
            own.setdefault(where, set()).add(int(spec["seed"]))
    return [
        f"the code of the loss {loss} was changed between these runs, so what averages or compares "
        f"them may be of two formulas; delete those of one and run again: "
        f"{' | '.join(sorted(map(seeds_of_methods, versions.values())))}"
        for loss, versions in found.items()
        if len(versions) > 1
    ]


def seeds_of_methods(methods: Mapping[str, Iterable[int]]) -> str:
    """`Proxy-NCA on digits, official: 0 1; ...`."""
    return "; ".join(
        f"{name}: {' '.join(map(str, sorted(seeds)))}" for name, seeds in methods.items()
    )


def check_seeds(runs: Sequence[Run]) -> None:
    """Refuse a seed of a specification that is there twice, also under a name that has the same
    directory, such as "Proxy-NCA" and "Proxy NCA"."""
    found: dict[object, Run] = {}
    for run in runs:
        for same in ((method_key(run), run.spec["seed"]), run.name):
            if (other := found.setdefault(same, run)) is not run:
                raise ValueError(
                    f"{other.directory} and {run.directory} hold the same run (seed "
                    f"{run.spec['seed']}); counted twice it would narrow the interval, delete one"
                )


def group_id(run: Run) -> str:
    """`RunSpec.method_id`; stored fields of an older version need not validate."""
    return method_id_of(run.spec)


def method_key(run: Run) -> str:
    """Equal for the runs of one method, as `with_last_names` has them: those of one specification
    and name."""
    return f"{group_id(run)} {run.spec['method']}"


def by_method(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """The runs of each method, by `method_key`."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(method_key(run), []).append(run)
    return found


def method_names(runs: Sequence[Run]) -> list[str]:
    """Each run's method; where several specifications share it, with what differs in brackets.

    A method may be named like the variant of another; both then carry their digest as well.
    """
    methods: dict[str, dict[str, Run]] = {}
    runs = with_last_names(runs)
    keys = [
        (run.spec["method"] + few_components(run) + one_source(run), group_id(run)) for run in runs
    ]
    for (method, group), run in zip(keys, runs, strict=True):
        methods.setdefault(method, {}).setdefault(group, run)
    names = {
        (method, group): printable(name)
        for method, groups in methods.items()
        for group, name in zip(groups, variant_names(method, list(groups.values())), strict=True)
    }
    shared = Counter(names.values())
    return [names[k] if shared[names[k]] == 1 else f"{names[k]} [{k[1]}]" for k in keys]


def with_last_names(runs: Sequence[Run]) -> list[Run]:
    """The runs with the name that their specification has in the run that finished last, as a
    method may have been renamed between its seeds. Runs of a study of variance in which one source
    varies alone are called as those in which all do.

    Runs of a specification that has a seed twice keep their names: these are two methods.
    """
    in_time = sorted(runs, key=lambda run: str(run.record["environment"]["finished"]))
    seeds = Counter((group_id(run), run.spec["seed"]) for run in runs)
    repeated = {group for (group, _), count in seeds.items() if count > 1}
    last = {group_id(run): run.spec["method"] for run in in_time if group_id(run) not in repeated}
    whole = {
        unvaried_id(run): last.get(group_id(run), run.spec["method"])
        for run in in_time
        if not of_one_source(run)
    }
    called = [
        (whole.get(unvaried_id(run)) if of_one_source(run) else None)
        or last.get(group_id(run), run.spec["method"])
        for run in runs
    ]
    return [
        run if run.spec["method"] == name else run.with_method(name)
        for run, name in zip(runs, called, strict=True)
    ]


def unvaried_id(run: Run) -> str:
    """`group_id` without `varies`."""
    return method_id_of({name: value for name, value in run.spec.items() if name != "varies"})


def one_source(run: Run) -> str:
    """What varies, after the name of a method of which one source of chance varies alone."""
    return f" (varies {run.spec['varies']})" if of_one_source(run) else ""


def few_components(run: Run) -> str:
    """How many principal components exist, after a name that promises more."""
    dimensions, images = run.spec["embedding_dim"], run.record["split"].get("train_images", np.inf)
    if run.spec["loss"] != NO_LOSS or not dimensions or images > dimensions:
        return ""
    return f" (only {images - 1} exist)"


def variant_names(method: str, runs: Sequence[Run]) -> list[str]:
    """One name for a run of each specification; hyper-parameters come before other fields."""
    if len(runs) == 1:
        return [method]
    fields = [{**UNSET, **run.spec["loss_args"], **run.spec} for run in runs]
    common = {*UNSET, *runs[0].spec}
    keys = sorted(dict.fromkeys(chain(*fields)), key=lambda key: key in common)
    differing = [
        key
        for key in keys
        if key not in {*NAMES, "seed", "loss_args"}
        and len({str(field.get(key)) for field in fields}) > 1
    ]
    variants = [
        ", ".join(f"{key.replace('_', ' ')} {show(field.get(key))}" for key in differing)
        for field in fields
    ]
    return [f"{method} ({variant})" for variant in variants]


def show(value: object) -> str:
    """A field's value for readers: `12`, `on`, `not set`; a frame's NaN is not set, and of a
    digest the first 12 digits are enough."""
    if value is None or value != value:
        return "not set"
    value = value.item() if hasattr(value, "item") else value  # a scalar of numpy
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)  # which a frame that has NaN too makes a float
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text[:12] if SHA256.fullmatch(text) else text
