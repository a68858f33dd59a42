"""What was compared, on what budget, and where each number was made, as the runs record it.

`members` are rows of `bench.reporting.groups.comparable_frame`.
"""

from typing import TYPE_CHECKING

from bench.reporting.groups import show
from bench.spec import Budget

if TYPE_CHECKING:
    import pandas as pd

MACHINE = ["environment.cpu", "environment.device", "environment.threads"]  # decide the seconds
DIGESTS = ["split.fingerprint", "data_checksum", "parameters.sha256"]
FINISHED = "environment.finished"
RUN_FIELDS = ["method", "dataset", "split", "seed", "spec_id", *DIGESTS, "number", FINISHED]
RUN_HEADINGS = (
    *("Method", "Data set", "Split", "Seed", "Spec id", "Split fingerprint", "Data checksum"),
    *("Parameters", "Environment", "Finished (UTC)"),
)


def budget(members: "pd.DataFrame") -> tuple[list[tuple[str, str]], list[str]]:
    """(field, value) of what the data set fixes, and the fields in which methods differ.

    Where methods differ the value names them: `600 (A, B); 300 (C)`. Fields that no method sets
    are left out.
    """
    first = members.drop_duplicates("method").set_index("method")
    lines, unequal = [], []
    for field, column in first.reindex(columns=list(Budget.model_fields)).items():
        values = column.map(show)
        groups = {value: list(first.index[values == value]) for value in dict.fromkeys(values)}
        words = str(field).replace("_", " ")
        if len(groups) > 1:
            unequal.append(words)
            shown = "; ".join(f"{value} ({', '.join(names)})" for value, names in groups.items())
        else:
            shown = next(iter(groups))
        if field != "split" and shown != show(None):
            lines.append((words, shown))
    return lines, unequal


def method_lines(members: "pd.DataFrame") -> list[tuple[str, ...]]:
    """Per method: its name, loss, hyper-parameters, learning rate, images per class and seeds."""
    lines: list[tuple[str, ...]] = []
    for method, runs in members.groupby("method"):
        spec = runs.iloc[0]
        arguments = spec.filter(like="loss_args.").dropna().sort_index()
        names = arguments.index.str.removeprefix("loss_args.")
        values = [f"{name} {show(value)}" for name, value in zip(names, arguments, strict=True)]
        lines.append(
            (
                str(method),
                str(spec["loss"]),
                ", ".join(values) or "none",
                show(spec["loss_learning_rate"]),
                show(spec["samples_per_class"]),
                ", ".join(map(str, runs["seed"])),
            )
        )
    return lines


def split_sentence(members: "pd.DataFrame") -> str:
    """Images and classes of each part of the split, as far as they are recorded."""
    split = members.iloc[0]
    counts = [
        (part, split.get(f"split.{part}_images"), split.get(f"split.{part}_classes"))
        for part in ("train", "validation", "test", "gallery")
    ]
    return "; ".join(
        f"{part} {images:,.0f} images of {classes:,.0f} classes"
        for part, images, classes in counts
        if show(images) != show(None) and show(classes) != show(None)
    ).capitalize()


def machine_sentence(members: "pd.DataFrame") -> str:
    """Whether the seconds of these runs may be compared."""
    machines = members.reindex(columns=MACHINE).astype(object).fillna("unknown").drop_duplicates()
    if len(machines) > 1:
        return (
            f"Seconds come from {len(machines)} kinds of machine (see provenance) and must not be "
            "compared between them; steps may."
        )
    cpu, device, threads = machines.iloc[0]
    unit = "thread" if threads == 1 else "threads"
    return (
        f"All seconds are training time on one kind of machine: {cpu}, {device}, "
        f"{show(threads)} {unit}."
    )


def environments(members: "pd.DataFrame") -> tuple[list[dict[str, str]], list[int]]:
    """The different environments in order of first use, and the number of each run's, from 1."""
    known = (
        members.filter(regex=r"^environment\.").drop(columns=FINISHED, errors="ignore").astype(str)
    )
    numbers = known.groupby(list(known), sort=False, dropna=False).ngroup() + 1
    first = members.loc[numbers.drop_duplicates().index]
    return [environment(fields.dropna()) for _, fields in first.iterrows()], list(numbers)


def environment(fields: "pd.Series") -> dict[str, str]:
    """One environment, without the time at which a run ended."""
    prefix = "environment.packages."
    packages = sorted(name for name in fields.index if name.startswith(prefix))
    versions = ", ".join(f"{name.removeprefix(prefix)} {fields[name]}" for name in packages)
    rest = {
        name: str(fields[f"environment.{name}"])
        for name in ("python", "platform", "cpu", "device", "threads", "commit")
        if f"environment.{name}" in fields
    }
    return rest | {"packages": versions}


def run_lines(members: "pd.DataFrame", numbers: list[int]) -> list[list[str]]:
    """One line per run under `RUN_HEADINGS`; digests by their first 12 digits."""
    columns = members.assign(number=numbers).reindex(columns=RUN_FIELDS)
    texts = columns.astype(object).fillna("–").astype(str)
    texts[DIGESTS] = texts[DIGESTS].apply(lambda column: column.str[:12])
    texts[FINISHED] = texts[FINISHED].str[:16].str.replace("T", " ")
    return [list(line) for line in texts.itertuples(index=False)]
