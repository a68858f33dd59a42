"""`proxy-bench diff`: where two stored runs part."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli.listing import find_directory
from bench.cli.progress import show_work
from bench.cli.run_suite import resumable
from bench.cli.verify import pins_of
from bench.spec import RunSpec
from bench.store.environment import pinned
from bench.store.runs import Run, RunDir, load_run
from bench.suites.loss_source import was_edited
from bench.terminal import plain_console, print_line
from bench.verification.comparison import Comparison, compare_stored
from bench.verification.elements import first_element, in_networks
from bench.verification.outcome import Difference
from bench.verification.parting import Parting, compare_chains

if TYPE_CHECKING:
    from bench.verification.again import State

SHOWN = 6  # tensors and differences on the terminal; --json has all


@dataclass(frozen=True)
class Options:
    """Options of the command; train, whether to train up to where the runs part."""

    results: Path
    data_root: Path | None
    device: str
    train: bool


@dataclass(frozen=True)
class Found:
    """What the command found: the comparison; the first differing element, and where it was looked
    for; trained, for each training that was repeated how far it agrees with a run."""

    comparison: Comparison
    element: Difference | None
    looked: str
    trained: Sequence[str]

    def document(self) -> dict[str, Any]:
        """As data."""
        element = {"element": self.element and vars(self.element), "looked_for": self.looked}
        return {**self.comparison.document(), **element, "trained": [*self.trained]}


def diff(names: tuple[str, str], options: Options) -> Found:
    """Compare two runs, which are given by name or by path.

    Raises: ValueError if there is no such run, or it is damaged.
    """
    one, other = (find(name, options.results) for name in names)
    comparison = compare_stored(one, other)
    if options.train and comparison.parting:
        return with_training(one, other, comparison, comparison.parting, options)
    if comparison.equal:
        return Found(comparison, None, "", ())
    if all(run.files.model.name in run.digests for run in (one, other)):
        return Found(comparison, in_networks(one, other), "in the networks after the last step", ())
    missing = "nowhere, because digests have no elements and a network was not stored"
    return Found(comparison, None, missing + ("; --train" if comparison.parting else ""), ())


def find(name: str, results: Path) -> Run:
    """A run by its path, or by the start of its name or id; all its files are checked."""
    path = Path(name)
    run = load_run(RunDir(path) if (path / "run.json").exists() else find_directory(name, results))
    run.check_files()
    return run


def with_training(
    one: Run, other: Run, comparison: Comparison, parting: Parting, options: Options
) -> Found:
    """Train both up to where they part; what two runs have in common is trained once."""
    trainings = {(run.spec_id, pins_of(run)): RunSpec(**run.spec) for run in (one, other)}
    states = train_to_step(trainings, parting.step, options)
    pairs = [(run, states[run.spec_id, pins_of(run)]) for run in (one, other)]
    agreements = [agreement(run, state, parting.step) for run, state in pairs]
    trained = [f"{name}: {words}" for name, (_, words) in zip("AB", agreements, strict=True)]
    if len(states) == 2 and all(agrees for agrees, _ in agreements):
        element = first_element(*(state.tensors for _, state in pairs))
        return Found(comparison, element, f"in trainings up to step {parting.step}", trained)
    missing = "nowhere, because the training here is not that of both runs"
    return Found(comparison, None, missing, trained)


def train_to_step(
    trainings: Mapping[tuple[str, str], RunSpec], step: int, options: Options
) -> dict[tuple[str, str], "State"]:
    """Train specifications up to a step, each with the arithmetic of its run; both by their key, an
    id and pins."""
    from bench.running.preflight import check_data, check_device
    from bench.running.processes import in_processes
    from bench.verification.again import train_to

    console = plain_console(stderr=True)
    states: dict[tuple[str, str], State] = {}
    with resumable(console, "Stopped"), show_work(console) as report:
        for key, spec in trainings.items():
            with pinned(key[1]):
                check_device(options.device)
                check_data([spec], options.data_root, options.results, options.device, report)
                report(f"training up to step {step}", len(states), len(trainings))
                task = (spec, step, options.data_root, options.device)
                [(_, states[key])] = in_processes(train_to, [task], 1)
    return states


def agreement(run: Run, state: "State", step: int) -> tuple[bool, str]:
    """Whether the chain of a run is that of the training here up to a step, and that in words."""
    stored = run.chain
    assert stored is not None
    parting, _ = compare_chains(stored, state.chain)
    if parting is None or parting.step > step:
        return True, f"training it again gives the same digests up to step {step}"
    since = "from the start" if parting.equal is None else f"after step {parting.equal}"
    code = "; the code of its loss is another one here" if was_edited(run.record) else ""
    kinds = ", ".join(parting.kinds)
    return False, f"training it again gives other digests {since}: {kinds}{code}"


def show(found: Found) -> None:
    """Print what differs, in order of cause and effect."""
    console, comparison = plain_console(), found.comparison
    for name, run in zip("AB", comparison.runs, strict=True):
        print_line(console, f"{name}: {run}")
    for line in (*lines_of(comparison), *lines_beyond(found)):
        print_line(console, line)


def lines_of(comparison: Comparison) -> list[str]:
    lines = [f"{run} keeps no chain of digests; see the curve" for run in comparison.without]
    lines += [f"specification: {sides(difference)}" for difference in comparison.specification]
    if comparison.parting:
        lines += lines_at(comparison.parting)
    elif not comparison.without:
        lines.append(f"all {comparison.compared} links that both chains have are equal")
    lines += cut([f"then: {sides(difference)}" for difference in comparison.results])
    lines += [f"may be because of: {reason}" for reason in comparison.reasons]
    return lines


def lines_at(parting: Parting) -> list[str]:
    """Where two chains part."""
    if parting.equal is None:
        first = "They differ before the first step" if not parting.step else "They differ"
    else:
        first = f"All that the chains hold is equal up to step {parting.equal}; they part"
    where = f" by step {parting.step}" if parting.step else ""
    kinds = ", ".join(parting.kinds) or "a link"
    tensors = cut([f"    {name}" for name in parting.tensors])
    count = f"{len(parting.tensors)} of {parting.of} tensors"
    return [f"{first}{where}: {kinds} ({count})", f"    {parting.cause}", *tensors]


def lines_beyond(found: Found) -> list[str]:
    lines = [*found.trained]
    if found.element:
        lines.append(f"first element that differs, {found.looked}: {sides(found.element)}")
    elif found.looked:
        lines.append(f"first element that differs: looked for {found.looked}")
    if found.comparison.equal:
        lines.append("no difference")
    return lines


def sides(difference: Difference) -> str:
    return f"{difference.quantity} {difference.stored} in A, {difference.found} in B"


def cut(lines: Sequence[str]) -> list[str]:
    """The first lines, and how many more there are."""
    more = len(lines) - SHOWN
    return [*lines[:SHOWN], *([f"    and {more} more; --json has all"] if more > 0 else [])]
