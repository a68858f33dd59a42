"""A whole run again: parameters, curve and scores must be equal to the bit."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from bench.store.runs import Run
from bench.verification.environment import changes
from bench.verification.outcome import CODE, Difference, Outcome, moved
from bench.verification.parting import compare_chains

PARAMETERS = "parameters after the last step"
TIMES = ("seconds",)  # fields of a validation that no two runs share


def compare_runs(stored: Run, again: Run) -> Outcome:
    """Compare a stored run with the same specification trained again."""
    differences = [*moved_chain(stored, again), *moved_results(stored, again)]
    differences += moved_history(stored, again)
    history = ["history"] if stored.keeps_history and again.keeps_history else []
    differences += moved("untrained", stored.record["untrained"], again.record["untrained"])
    chain = ["chain"] if all(run.files.chain.name in run.digests for run in (stored, again)) else []
    if differences:
        differences = [*moved_code(stored, again), *differences]
    reasons = changes(stored.record["environment"], again.record["environment"])
    return Outcome(
        stored.name,
        compared=[
            *("data", *chain, "curve", *history, "parameters"),
            *(*stored.scores, "untrained scores"),
        ],
        differences=differences,
        reasons=[*reasons] if differences else [],
    )


def moved_code(stored: Run, again: Run) -> Iterator[Difference]:
    """Whether the code of one loss is another one, as far as both runs say."""
    before, now = (str(run.record.get("loss_source") or "") for run in (stored, again))
    if before and now and before != now and stored.spec["loss"] == again.spec["loss"]:
        yield Difference(CODE, before[:12], now[:12])


def moved_results(stored: Run, again: Run) -> Iterator[Difference]:
    """What differs of images and split, curve, parameters and scores."""
    yield from moved_data(stored, again)
    yield from moved_curve(stored, again)
    before, now = (run.record["parameters"]["sha256"][:12] for run in (stored, again))
    if before != now:
        yield Difference(PARAMETERS, before, now)
    yield from moved("", stored.scores, again.scores)


def moved_data(stored: Run, again: Run) -> Iterator[Difference]:
    """Whether images or split are others."""
    before, now = stored.record, again.record
    for name, pair in {
        "checksum of the images": (before["data_checksum"], now["data_checksum"]),
        "fingerprint of the split": (before["split"]["fingerprint"], now["split"]["fingerprint"]),
    }.items():
        if pair[0] != pair[1]:
            yield Difference(name, pair[0][:12], pair[1][:12])


def moved_chain(stored: Run, again: Run) -> Iterator[Difference]:
    """The first link of the chains that differs, if both runs keep one."""
    before, now = stored.chain, again.chain
    if before is None or now is None:
        return
    if found := compare_chains(before, now)[0]:
        equal = "" if found.equal is None else f", equal up to step {found.equal}"
        what = ", ".join([*found.kinds, *found.tensors[:1]])
        quantity = f"chain by step {found.step}{equal}, first {what}"
        yield Difference(quantity, before.link_at(found.step), now.link_at(found.step))


def moved_curve(stored: Run, again: Run) -> Iterator[Difference]:
    """The numbers of the first validation that differ; then of each number the validation at which
    it differs most, if that is a later one."""
    pairs = [*zip(map(timeless, stored.curve), map(timeless, again.curve), strict=False)]
    differing = [(before, now) for before, now in pairs if before != now]
    for before, now in differing[:1]:
        yield from moved(f"step {before['step']}", before, now)
    for name in differing[0][0] if differing else ():
        before, now = max(
            differing, key=lambda pair: distance(pair[0].get(name), pair[1].get(name))
        )
        if before is not differing[0][0]:
            one, other = ({name: each[name]} if name in each else {} for each in (before, now))
            yield from moved(f"step {before['step']}", one, other)
    if len(stored.curve) != len(again.curve):
        yield Difference("validations", str(len(stored.curve)), str(len(again.curve)))


def distance(before: float | None, now: float | None) -> float:
    """How far a number moved; without end if one side lacks it."""
    if before is None or now is None:
        return 0.0 if before == now else np.inf
    return abs(before - now)


def moved_history(stored: Run, again: Run) -> Iterator[Difference]:
    """What was kept at the first validation at which it differs; the other run kept them all."""
    before, now = stored.history, again.history
    if before is None or now is None:
        return
    places = {step: place for place, step in enumerate(now["steps"].tolist())}
    for place, step in enumerate(before["steps"].tolist()):
        if step not in places:
            yield Difference(f"history, step {step}", "kept", "not a validation")
            return
        for name in ("embeddings", "first_hit", "average_precision"):
            kept, found = before[name][place], now[name][places[step]]
            if not np.array_equal(kept, found):
                yield Difference(f"history, step {step}, {name}", *different(kept, found))
                return


def different(before: np.ndarray, now: np.ndarray) -> tuple[str, str]:
    """The first number of an array that differs, before and now; else both shapes."""
    if before.shape != now.shape:
        return f"shape {before.shape}", f"shape {now.shape}"
    place = tuple(np.argwhere(before != now)[0])
    return str(before[place]), str(now[place])


def timeless(point: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in point.items() if name not in TIMES}
