"""`proxy-bench accept`: what somebody sends, verified by computing it again."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.cli import verify
from bench.datasets import load
from bench.store.community import ACCEPTED, read_accepted, read_community
from bench.store.runs import Run
from bench.submissions.acceptance import (
    Acceptance,
    bounds_of_scores,
    bounds_of_start,
    bounds_of_training,
    keep,
)
from bench.submissions.form import Finding, check_form
from bench.submissions.plausibility import implausible
from bench.suites.loss_source import was_edited
from bench.terminal import plain_console, print_line
from bench.weights import locate

FORM = "files, digests, suite, specifications, protocol, split fingerprints, curves, ranges"
PLAUSIBLE = "costs, versions, seeds that differ, test against validation"

UNPROVEN = (
    "what differs: the environments that explain it are the submitter's word, so a forgery that "
    "moves scores no further than their bounds passes"
)


@dataclass(frozen=True)
class Options:
    """Options of the command; train: how many runs of each data set to train again; draw: of the
    lot, from the system's randomness if not given; minutes: how long computing again may take."""

    into: Path
    data_root: Path | None
    processes: int
    device: str
    train: int
    draw: int | None
    minutes: float = 60


def accept(folder: Path, options: Options) -> Acceptance:
    """Verify a submission and, unless it is refused, keep a copy with what was verified."""
    if findings := already_there(folder, options.into):
        return Acceptance(
            folder.resolve().name, options.draw or 0, findings=findings, not_checked=["all else"]
        )
    found = examine(folder, options)
    if found.verdict != "refused":
        keep(folder, options.into, found, options.device)
    return found


def examine(folder: Path, options: Options) -> Acceptance:
    """Verify a submission; what costs most comes last, and only if all before was in order."""
    draw = secrets.randbits(32) if options.draw is None else options.draw
    found = Acceptance(folder.resolve().name, draw)
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}; `proxy-bench pack` makes one")
    runs, found.findings = check_form(folder.resolve())
    found.runs = len(runs)
    found.findings += copied(runs, found.name, options.into)
    if not found.findings:
        found.checked.append(FORM)
        found.findings += implausible(runs)
    if not found.findings:
        found.checked.append(PLAUSIBLE)
        found.not_checked += other_losses(runs)
        compute_again(runs, found, replace(options, draw=draw))
    else:
        found.not_checked.append("scores, starts and trainings, because of what was found before")
    if found.differences:
        found.not_checked.append(UNPROVEN)
    return found


def other_losses(runs: Sequence[Run]) -> list[str]:
    """A line on methods whose loss had other code than it has here."""
    methods = dict.fromkeys(run.spec["method"] for run in runs if was_edited(run.record))
    if not methods:
        return []
    return [
        f"the formula of {', '.join(methods)}: the code of the loss was not that of this program, "
        "so only runs that are trained again are known to have its numbers"
    ]


def compute_again(runs: Sequence[Run], found: Acceptance, options: Options) -> None:
    """Scores and starts of all runs, and the training of some, where their data is here."""
    here = at_hand(runs, options.data_root, found)
    if not here:
        return
    again = verify_options(options)
    outcomes = verify.score_again(here, again)
    found.add("scores", outcomes, {run.name: bounds_of_scores(run) for run in here}, runs)
    found.scored = len(here)
    found.checked.append(f"labels, and scores from embeddings, of {len(here)} of {len(runs)} runs")
    whole = with_weights(here, found)
    chosen = lot_of_each(whole, again)
    if whole and (finding := too_dear(whole, chosen, found.name, options)):
        found.findings.append(finding)
        found.not_checked.append("networks before training, and trainings, because of their cost")
        return
    start_again(whole, runs, found, again)
    if found.findings:
        found.not_checked.append("trainings, because of what was found before")
        return
    train_again(chosen, runs, found, again)


def too_dear(
    whole: Sequence[Run], chosen: Sequence[Run], name: str, options: Options
) -> Finding | None:
    """Say what it will cost to compute runs again; what is wrong if that is more than allowed."""
    from bench.cli.submissions.cost import cost_of

    errors = plain_console(stderr=True)
    print_line(errors, "measuring what it costs to compute the runs again")
    try:
        cost = cost_of(whole, chosen, options.data_root, options.device, options.processes)
    except ValueError as error:
        return Finding("effort", name, str(error))
    print_line(errors, f"computing them again takes about {cost}")
    notes = cost.notes
    if cost.starts + cost.trainings > 60 * options.minutes:
        more = f"more than --minutes {options.minutes:g}: allow more, or train fewer with --train"
        notes = [f"computing it again takes about {cost}, {more}", *notes]
    return Finding("effort", name, "; ".join(notes)) if notes else None


def start_again(
    whole: Sequence[Run], runs: Sequence[Run], found: Acceptance, again: verify.Options
) -> None:
    """Score the networks of runs before training."""
    if not whole:
        return
    from bench.verification.start import by_seed, verify_start

    words = "scoring networks before training"
    outcomes = verify.compute_again(verify_start, words, by_seed(whole), again)
    found.add("start", outcomes, {run.name: bounds_of_start(run) for run in whole}, runs)
    found.checked.append(f"images, and networks before training, of {len(whole)} runs")


def lot_of_each(runs: Sequence[Run], again: verify.Options) -> list[Run]:
    """Some runs of each data set, by a lot that the submitter cannot choose."""
    by_data: dict[str, list[Run]] = {}
    for run in runs:
        by_data.setdefault(run.spec["dataset"], []).append(run)
    return [run for members in by_data.values() for run in verify.by_lot(members, again)]


def train_again(
    chosen: Sequence[Run], runs: Sequence[Run], found: Acceptance, again: verify.Options
) -> None:
    """Train the chosen runs again."""
    if chosen:
        outcomes = verify.train_again(chosen, again)
        found.add("training", outcomes, bounds_of_training(runs), runs)
        found.trained = [run.name for run in chosen]
        found.checked.append(f"the whole training of {len(chosen)} of {len(runs)} runs")
    if rest := len(runs) - len(chosen):
        found.not_checked.append(
            f"the training of {rest} of {len(runs)} runs, and so their curves and accuracies: "
            "embeddings that were made in another way and scored rightly are not found in these"
        )
    found.not_checked.append("seconds of training, which nobody can compute again")


def verify_options(options: Options) -> verify.Options:
    """The options of `verify` for runs that are trained again beside the results."""
    draw = options.draw or 0
    return verify.Options(
        options.into.parent, options.data_root, options.processes, options.device,
        stored_only=False, train=options.train, draw=draw,
    )  # fmt: skip


def at_hand(runs: Sequence[Run], data_root: Path | None, found: Acceptance) -> list[Run]:
    """The runs whose data can be loaded; the others are noted."""
    known: dict[tuple[str, str], str] = {}
    for run in runs:
        key = run.spec["dataset"], run.spec["split"]
        if key not in known:
            known[key] = problem_of(*key, data_root)
    for (dataset, split), problem in known.items():
        if problem:
            what = f"labels, scores, starts and trainings on {dataset}, {split}"
            found.not_checked.append(f"{what}: {problem}")
    return [run for run in runs if not known[run.spec["dataset"], run.spec["split"]]]


def with_weights(runs: Sequence[Run], found: Acceptance) -> list[Run]:
    """The runs whose pretrained weights are here, if they have any; the others are noted."""
    known: dict[tuple[str, str | None], str] = {}
    for run in runs:
        key = run.spec["backbone"], run.spec.get("weights")
        if key not in known:
            known[key] = missing_weights(*key)
    found.not_checked += [
        f"starts and trainings: {problem}" for problem in known.values() if problem
    ]
    return [run for run in runs if not known[run.spec["backbone"], run.spec.get("weights")]]


def missing_weights(backbone: str, weights: str | None) -> str:
    """Why the weights of a backbone are not here; empty if they are, or none are needed."""
    try:
        if weights is not None:
            locate(backbone, weights)
    except OSError as error:
        return str(error)
    return ""


def problem_of(dataset: str, split: str, data_root: Path | None) -> str:
    """Why a data set is not at hand; empty if it is. Raises: ValueError if it is damaged."""
    try:
        load(dataset, data_root, split)
    except FileNotFoundError as error:
        return str(error)
    return ""


def already_there(folder: Path, into: Path) -> list[Finding]:
    """What this submission would change of accepted ones, and those that changed since."""
    name = folder.resolve().name
    target = into / name
    findings = []
    if target.exists() and not target.samefile(folder):
        findings.append(Finding("community", name, f"{target} exists already"))
    elif (target / ACCEPTED).exists():
        what = f"was accepted already; to verify it again, remove its {ACCEPTED}"
        findings.append(Finding("community", name, what))
    others = [
        problem
        for path in sorted(into.glob(f"[!.]*/{ACCEPTED}"))
        if path.parent != target and (problem := why_unreadable(path.parent))
    ]
    return findings + [Finding("community", into.name, problem) for problem in others]


def copied(runs: Sequence[Run], name: str, into: Path) -> list[Finding]:
    """Whether every trained run is one of another accepted submission, which may grow but not be
    sent again under another name: no training takes the same seconds twice, so equal curves are
    copies."""
    curves = {
        run.digests[run.files.curve.name]: other.name
        for other in read_community(into)[0]
        if other.name != name
        for run in verify.trained(other.runs)
    }
    found = [curves.get(run.digests[run.files.curve.name]) for run in verify.trained(runs)]
    if not found or None in found:
        return []
    names = " and ".join(dict.fromkeys(filter(None, found)))
    return [Finding("community", name, f"holds copies of runs of {names} and no other")]


def why_unreadable(folder: Path) -> str:
    """Why an accepted submission is left out of reports; empty if it is not."""
    try:
        read_accepted(folder)
    except (ValueError, OSError) as error:
        return str(error)
    return ""


def show_acceptance(found: Acceptance, into: Path) -> None:
    """Print what was found, what was and was not checked, and the verdict."""
    console = plain_console()
    for finding in found.findings:
        print_line(console, f"{finding.check}: {finding}")
    for difference in found.differences:
        print_line(console, f"explained: {difference}")
    for line in found.checked:
        print_line(console, f"checked: {line}")
    for line in found.not_checked:
        print_line(console, f"not checked: {line}")
    if found.trained:
        print_line(
            console, f"trained again, by the lot of --draw {found.draw}: {', '.join(found.trained)}"
        )
    kept = "" if found.verdict == "refused" else f"; kept in {into / found.name}"
    print_line(console, f"{found.name}, {found.runs} runs: {found.verdict}{kept}")
