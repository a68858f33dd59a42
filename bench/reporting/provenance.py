"""What was compared, on what budget, and where each number was made, as the runs record it.

`members` are rows of `bench.reporting.groups.comparable_frame`.
"""

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from bench.chance import chance_sentence, possible_sentence
from bench.metrics import describe, ordered
from bench.reporting.groups import show, trained
from bench.reporting.machines import count_kinds, kinds_text, machine_of
from bench.reporting.statistics.stats import ROUNDING
from bench.spec import NETWORK, OWN_RATES, UNSET, Budget
from bench.store.runs import Run, StoredRunError

if TYPE_CHECKING:
    import pandas as pd

DIGESTS = ["split.fingerprint", "data_checksum", "parameters.sha256"]
PREFIX = "environment."
MACHINE = ("cpu", "device", "threads")  # that a sentence names
FINISHED = f"{PREFIX}finished"
REACHED = "had reached 100 %, above which nothing can improve"  # also where it fell after that
# Fields that rows share where nothing was trained: those of the network and its images.
UNTRAINED = tuple(field for field in NETWORK if field not in ("embedding_dim", "head_init"))
RUN_FIELDS = ["method", "dataset", "split", "seed", "spec_id", *DIGESTS, "number", FINISHED]
RUN_HEADINGS = (
    *("Method", "Data set", "Split", "Seed", "Spec id", "Split fingerprint", "Data checksum"),
    *("Parameters", "Environment", "Finished (UTC)"),
)


def budget(members: "pd.DataFrame") -> tuple[list[tuple[str, str]], list[str]]:
    """(field, value) of what the data set fixes, and the fields in which methods should not differ
    but do.

    Where methods differ the value names them: `600 (A, B); 300 (C)`. Fields that no method sets
    are left out, and those that came later while they keep their defaults. Where nothing was
    trained, the fields that all rows share are those of the network and its images.
    """
    methods = trained(members)
    fields = ["weights", *UNTRAINED] if methods.empty else list(Budget.model_fields)
    first = (members if methods.empty else methods).drop_duplicates("method").set_index("method")
    lines, unequal = [], []
    for field, column in first.reindex(columns=fields).items():
        values = column.map(show)
        groups = {value: list(first.index[values == value]) for value in dict.fromkeys(values)}
        words = str(field).replace("_", " ")
        if len(groups) > 1:
            if field not in OWN_RATES:
                unequal.append(words)
            shown = "; ".join(f"{value} ({', '.join(names)})" for value, names in groups.items())
        else:
            shown = next(iter(groups))
        unset = {show(None), *([show(UNSET[field])] if field in UNSET else [])}
        if field != "split" and shown not in unset:
            lines.append((words, shown))
    return lines, unequal


def unequal_sentence(members: "pd.DataFrame") -> str:
    """In which fields of the budget methods differ but should not; or nothing, also where nothing
    was trained."""
    _, unequal = budget(members)
    if not unequal or trained(members).empty:
        return ""
    return (
        f"Unequal budgets: methods differ in {', '.join(unequal)}, so differences between them are "
        "not due to the loss alone."
    )


def cautions(members: "pd.DataFrame") -> list[str]:
    """What a verdict on these methods does not show: their budgets or regimes differ."""
    if trained(members).empty:
        return []
    regimes = regime_sentence(members) if len(methods_by_regime(members)) > 1 else ""
    return list(filter(None, [regimes, unequal_sentence(members)]))


def method_lines(members: "pd.DataFrame") -> list[tuple[str, ...]]:
    """Per method: its name, loss, hyper-parameters, learning rate, images per class and seeds."""
    lines: list[tuple[str, ...]] = []
    for method, runs in trained(members).groupby("method"):
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


def regime_sentence(members: "pd.DataFrame") -> str:
    """Which regime the numbers belong to, with backbone and weights."""
    found = methods_by_regime(members)
    if len(found) == 1:
        return f"Regime: {next(iter(found))}."
    named = [f"{words} ({', '.join(names)})" for words, names in found.items()]
    return f"Regimes, which must not be compared: {'; '.join(named)}."


def methods_by_regime(members: "pd.DataFrame") -> dict[str, list[str]]:
    """Regime in words -> methods; those without training only where there are no others."""
    methods = trained(members)
    found: dict[str, list[str]] = {}
    for _, run in (members if methods.empty else methods).drop_duplicates("method").iterrows():
        found.setdefault(regime(run, frozen=methods.empty), []).append(str(run["method"]))
    return found


def components_sentence(members: "pd.DataFrame") -> str:
    """What else a head consists of that starts at more principal components than there are, because
    N training images have at most N - 1; or nothing."""
    pca = members[members["head_init"] == "pca"]
    first = pca.reindex(columns=["split.train_images", "embedding_dim"]).dropna().head(1)
    for images, dimensions in first.astype(int).itertuples(index=False):
        if images <= dimensions:
            return (
                f"{images} training images have at most {images - 1} principal components: in "
                f'"PCA to {dimensions}", and in the heads that start there, the other directions '
                f"({dimensions - images + 1} of {dimensions}) are arbitrary ones in which all "
                "training images are equal at the start."
            )
    return ""


def bound_sentences(runs: Sequence[Run]) -> list[str]:
    """Which scores of one data set and split any embeddings have, chance has, or none can have."""
    found = constant_sentence(runs), random_sentence(runs), possible_accuracy_sentence(runs)
    return list(filter(None, found))


def constant_sentence(runs: Sequence[Run]) -> str:
    """Which Recall@K of one data set and split are 1 for any embeddings, since no query has as many
    images of other classes to be searched; or nothing."""
    others = most_others(runs)
    if others is None:
        return ""
    recalls = [key for key in ordered(runs[0].scores) if key.startswith("recall@")]
    constant = [key for key in recalls if int(key.removeprefix("recall@")) > others]
    if not constant:
        return ""
    return (
        f"100 % for any embeddings: {', '.join(describe(key).heading for key in constant)}, since "
        f"no query has more than {others} images of other classes to be searched."
    )


def most_others(runs: Sequence[Run]) -> int | None:
    """The most images of other classes that a query searches; with a gallery or cameras as stored,
    which runs of earlier versions lack."""
    for run in runs:
        if (stored := run.record["split"].get("most_negatives")) is not None:
            return int(stored)
    if (found := searched_images(runs)) is None:
        return None
    relevant, searched = found
    return int((searched - relevant)[relevant > 0].max())


def random_sentence(runs: Sequence[Run]) -> str:
    """What R@1 of one data set and split is by chance, if it is high; or nothing, also with a
    separate gallery or cameras, whose junk and left out images are not counted here."""
    varied = any(run.record["split"].get("gallery_images") or run.by_cameras for run in runs)
    found = None if varied else searched_images(runs)
    said = chance_sentence(*found) if found else ""
    return f"{said}." if said else ""


def possible_accuracy_sentence(runs: Sequence[Run]) -> str:
    """Which accuracy is possible, if some test classes are not trained; or nothing. Runs of earlier
    versions do not say how many."""
    for run in runs:
        split = run.record["split"]
        trained, images = split.get("trained_test_images"), split["test_images"]
        if trained and trained < images:
            return f"{possible_sentence(trained, images)}."
    return ""


def searched_images(runs: Sequence[Run]) -> tuple[np.ndarray, np.ndarray] | None:
    """Of each query (Q,), how many images of its class and how many in all it searches, by the
    first run whose queries can be read."""
    for run in runs:
        with suppress(StoredRunError):  # a problem of the report already
            split, relevant = run.record["split"], run.queries["relevant"]
            searched = split.get("gallery_images") or split["test_images"] - 1
            return relevant, np.full(len(relevant), searched)
    return None


def regime(run: "pd.Series", *, frozen: bool) -> str:
    """The regime of one run in words; frozen: whether none of its network was trained."""
    if not isinstance(run["weights_sha256"], str):
        return f"from scratch, {run['backbone']} with random weights"
    own = run["weights"] == "pretrained"
    source = "pretrained" if own else f"a file; images are scaled as for {run['backbone']}"
    weights = f"{run['backbone']} with weights {show(run['weights_sha256'])} ({source})"
    if frozen:
        return f"frozen, {weights}; nothing was trained"
    if run["frozen"] == "backbone":
        return f"frozen, {weights}; only the head was trained"
    return f"fine-tuned, {weights}"


def early_sentence(
    members: "pd.DataFrame", perfect: Collection[str], *, converged: bool = True
) -> str:
    """Which methods have runs that ended before their last step, and at which step; or nothing.

    perfect: names of the runs that reached 100 % on validation; converged: whether costs to targets
    are shown, which the end of a run bounds.
    """
    methods = trained(members)
    steps = methods["cost.images"] / methods["batch_size"]
    early = methods.assign(end=steps)[steps < methods["steps"]]
    named = [
        f"{method} ({len(runs)} of {sum(methods['method'] == method)} runs, after "
        f"{', '.join(f'{step:.0f}' for step in sorted(runs['end']))} steps)"
        for method, runs in early.groupby("method")
    ]
    why = why_early(len(early), int(early["run"].isin(perfect).sum()))
    if not named:
        return ""
    costs = (
        " Such a run's final score on validation is that of its last three validations, and a "
        "score that it had not reached by then counts as not reached; with fewer than four "
        "validations it is in no number on convergence."
    )
    return f"Ended early, because validation {why}: {', '.join(named)}.{costs * converged}"


def why_early(runs: int, perfect: int) -> str:
    """What validation did when some runs ended early; perfect: how many of them had `is_perfect`
    scores."""
    if not perfect:
        return "had stopped improving"
    if perfect == runs:
        return REACHED
    times = "once" if perfect == 1 else f"{perfect} times"
    return f"had stopped improving, {times} because it {REACHED}"


def is_perfect(scores: Iterable[float]) -> bool:
    """Whether one of the scores of a run's validations is 100 %."""
    return max(scores, default=0.0) >= 1 - ROUNDING


def perfect_runs(runs: Sequence[Run]) -> set[str]:
    """Names of the runs that reached MAP@R 100 % on validation, which ends runs; those whose curve
    cannot be read are a problem of the report already."""
    found = set()
    for run in runs:
        with suppress(StoredRunError):
            if is_perfect(point["map@r"] for point in run.curve):
                found.add(run.name)
    return found


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
    rows = members.filter(regex=r"^environment\.").iterrows()
    places = (
        {str(name).removeprefix(PREFIX): row[name] for name in row.dropna().index}
        for _, row in rows
    )
    kinds = count_kinds(map(machine_of, places))
    if kinds > 1:
        return (
            f"Seconds come from {kinds_text(kinds)} (see provenance) and must not be compared "
            "between them; steps may."
        )
    cpu, device, threads = (members.iloc[0].get(f"{PREFIX}{name}") for name in MACHINE)
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
        for name in ("python", "platform", "cpu", "features", "pins", "device", "threads", "commit")
        if str(fields.get(f"environment.{name}", ""))
    }
    return rest | {"packages": versions}


def run_lines(members: "pd.DataFrame", numbers: list[int]) -> list[list[str]]:
    """One line per run under `RUN_HEADINGS`; digests by their first 12 digits."""
    columns = members.assign(number=numbers).reindex(columns=RUN_FIELDS)
    texts = columns.astype(object).fillna("–").astype(str)
    texts[DIGESTS] = texts[DIGESTS].apply(lambda column: column.str[:12])
    texts[FINISHED] = texts[FINISHED].str[:16].str.replace("T", " ")
    return [list(line) for line in texts.itertuples(index=False)]
