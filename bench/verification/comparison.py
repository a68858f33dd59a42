"""Two stored runs side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.spec import NAMES
from bench.store.runs import Run
from bench.verification.environment import changes
from bench.verification.outcome import Difference
from bench.verification.parting import Parting, compare_chains
from bench.verification.training import moved_code, moved_results


@dataclass(frozen=True)
class Comparison:
    """Two runs side by side.

    Attributes: runs, their directories; parting, or None if no link differs; compared, the number
    of links that both have; without, the runs that keep no chain; specification, fields that
    differ; results, of curve, parameters and scores what differs; reasons, what else differs and
    may be the cause.
    """

    runs: tuple[str, str]
    parting: Parting | None
    compared: int
    without: Sequence[str]
    specification: Sequence[Difference]
    results: Sequence[Difference]
    reasons: Sequence[str]

    @property
    def equal(self) -> bool:
        """Whether all that was compared is equal."""
        return not (self.parting or self.specification or self.results)

    def document(self) -> dict[str, Any]:
        """The comparison as data."""
        return {
            "runs": [*self.runs],
            "equal": self.equal,
            "parting": self.parting and {**vars(self.parting), "cause": self.parting.cause},
            "links": self.compared,
            "without_chain": [*self.without],
            "specification": [vars(difference) for difference in self.specification],
            "results": [vars(difference) for difference in self.results],
            "reasons": [*self.reasons],
        }


def compare_stored(one: Run, other: Run) -> Comparison:
    """Compare two stored runs: specification, chain, curve, parameters and scores."""
    chains = one.chain, other.chain
    found, links = (None, 0) if None in chains else compare_chains(*filter(None, chains))
    runs = str(one.directory), str(other.directory)
    specification = [*moved_fields(one.spec, other.spec)]
    results = [*moved_results(one, other)]
    differs = found or specification or results
    environments = one.record["environment"], other.record["environment"]
    codes = (
        f"{code.quantity} {code.stored} in A, {code.found} in B" for code in moved_code(one, other)
    )
    reasons = [*codes, *changes(*environments, ("in A", "in B"))] if differs else []
    return Comparison(
        runs,
        found,
        links,
        [run for run, chain in zip(runs, chains, strict=True) if chain is None],
        specification,
        results,
        reasons,
    )


def moved_fields(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[Difference]:
    """The fields of two specifications that differ, but those that change no number."""
    return [
        Difference(name, str(one.get(name)), str(other.get(name)))
        for name in dict.fromkeys([*one, *other])
        if name not in {*NAMES, "purpose"} and one.get(name) != other.get(name)
    ]
