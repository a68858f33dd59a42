"""What was compared and on what budget, and where each number was made, as the runs record it."""

from collections.abc import Mapping, Sequence
from typing import Any

from bench.reporting.groups import Group, show
from bench.spec import Budget
from bench.store.runs import Run

MACHINE = ("cpu", "device", "threads")  # what decides how comparable seconds are


def budget_lines(groups: Sequence[Group]) -> list[tuple[str, str]]:
    """(field, value) of what the data set fixes, but for what none sets; where methods differ, the
    value names them."""
    lines = [
        (field.replace("_", " "), shared_value(groups, field))
        for field in Budget.model_fields
        if field != "split"
    ]
    return [(field, value) for field, value in lines if value != show(None)]


def shared_value(groups: Sequence[Group], field: str) -> str:
    """`600`, or `600 (A, B); 300 (C)` where methods differ."""
    holders: dict[str, list[str]] = {}
    for group in groups:
        value = show(group.runs[0].spec.get(field))
        holders.setdefault(value, []).append(group.method)
    if len(holders) == 1:
        return next(iter(holders))
    return "; ".join(f"{value} ({', '.join(names)})" for value, names in holders.items())


def unequal_fields(groups: Sequence[Group]) -> list[str]:
    """Budget fields in which methods differ: their comparison is not on equal terms."""
    return [
        field.replace("_", " ")
        for field in Budget.model_fields
        if len({show(group.runs[0].spec.get(field)) for group in groups}) > 1
    ]


def method_lines(groups: Sequence[Group]) -> list[dict[str, str]]:
    """Per method what a loss may set itself, and its seeds."""
    return [
        {
            "method": group.method,
            "loss": group.loss,
            "arguments": ", ".join(
                f"{key} {show(value)}"
                for key, value in sorted(group.runs[0].spec["loss_args"].items())
            )
            or "none",
            "learning_rate": show(group.runs[0].spec["loss_learning_rate"]),
            "samples": show(group.runs[0].spec["samples_per_class"]),
            "seeds": ", ".join(map(str, group.seeds)),
        }
        for group in groups
    ]


def split_sentence(group: Group) -> str:
    """Images and classes of each part of the split, as far as they are recorded."""
    split = group.runs[0].record["split"]
    parts = [
        f"{name} {split[f'{name}_images']:,} images of {split[f'{name}_classes']:,} classes"
        for name in ("train", "validation", "test", "gallery")
        if f"{name}_images" in split and f"{name}_classes" in split
    ]
    return "; ".join(parts).capitalize()


def machine_sentence(groups: Sequence[Group]) -> str:
    """Whether the seconds of these runs may be compared."""
    machines = {
        tuple(str(run.record["environment"].get(key, "unknown")) for key in MACHINE)
        for group in groups
        for run in group.runs
    }
    if len(machines) > 1:
        return (
            f"Seconds come from {len(machines)} kinds of machine (see provenance) and must not be "
            "compared between them; steps may."
        )
    cpu, device, threads = next(iter(machines))
    unit = "thread" if threads == "1" else "threads"
    return (
        f"All seconds are training time on one kind of machine: {cpu}, {device}, {threads} {unit}."
    )


def environments(runs: Sequence[Run]) -> list[dict[str, str]]:
    """Distinct environments in order of first use."""
    found: dict[str, dict[str, str]] = {}
    for run in runs:
        lines = environment_lines(run.record["environment"])
        found.setdefault(repr(lines), lines)
    return list(found.values())


def environment_lines(environment: Mapping[str, Any]) -> dict[str, str]:
    """An environment in words, without the time at which a run ended."""
    packages = environment.get("packages", {})
    versions = ", ".join(f"{name} {packages[name]}" for name in sorted(packages) if packages[name])
    rest = {
        key: str(environment[key])
        for key in ("python", "platform", *MACHINE, "commit")
        if environment.get(key) is not None
    }
    return rest | {"packages": versions}


def provenance(groups: Sequence[Group]) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """(environments, one line per run that refers to its environment by number from 1)."""
    pairs = [(group, run) for group in groups for run in group.runs]
    known = environments([run for _, run in pairs])
    lines = [
        {
            "dataset": group.dataset,
            "method": group.method,
            "seed": str(run.spec["seed"]),
            "spec_id": str(run.record["spec_id"]),
            "split": group.split,
            "fingerprint": str(run.record["split"]["fingerprint"])[:12],
            "checksum": str(run.record.get("data_checksum", "–"))[:12],
            "parameters": str(run.record.get("parameters", {}).get("sha256", "–"))[:12],
            "environment": str(known.index(environment_lines(run.record["environment"])) + 1),
            "finished": str(run.record["environment"].get("finished", "–"))[:16].replace("T", " "),
        }
        for group, run in pairs
    ]
    return known, lines
