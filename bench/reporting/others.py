"""Results from others: accepted submissions on the same test, beside ours and in no ranking."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.metrics import describe
from bench.reporting.groups import (
    changed_losses,
    group_id,
    identity,
    method_names,
    of_one_source,
    show,
)
from bench.reporting.provenance import UNTRAINED
from bench.reporting.rows import mean_text
from bench.reporting.statistics.stats import mean_interval
from bench.spec import NO_LOSS, OWN_RATES, UNSET, Budget
from bench.store.community import Accepted, Community
from bench.store.runs import Run

SCORES = ("recall@1", "map@r")
HEADINGS = (
    *("Submission", "Method", "Seeds", *(describe(key).heading for key in SCORES)),
    *("Ours", "Budget where it is not ours"),
)
NOTE = (
    "Percent, mean ± half-width of the t-based 95 % interval over n seeds. Accepted submissions on "
    "the same images, split and protocol; they are in no table, mean or verdict above. Ours: our "
    "method of the same specification and, as far as both say, code of its loss; runs of one seed "
    "may be equal to the last bit. Where budgets differ, differences between scores are not due to "
    "the loss alone; learning rates are not compared, and without training only the network is."
)
LEFT_OUT = "Runs in which one source of chance varies alone are left out: {}."


@dataclass(frozen=True)
class Other:
    """A method of a submission: seeds, scores by name in 0..1 over these, our method of the same
    specification and code of its loss (or nothing), how many of its runs have the parameters of
    ours, and the fields of its budget that are not ours."""

    submission: str
    dataset: str
    split: str
    method: str
    seeds: tuple[int, ...]
    scores: Mapping[str, tuple[float, ...]]
    ours: str
    equal: int
    budget: tuple[str, ...]

    @property
    def cells(self) -> tuple[str, ...]:
        """Its line under `HEADINGS`."""
        means = [mean_text(mean_interval(self.scores[key]), key) for key in SCORES]
        same = f"{self.ours}, {self.equal} of {len(self.seeds)} runs equal" if self.ours else "–"
        budget = "; ".join(self.budget) or "–"
        return self.submission, self.method, " ".join(map(str, self.seeds)), *means, same, budget

    def document(self) -> dict[str, Any]:
        """All of it as data."""
        scores = {key: list(values) for key, values in self.scores.items()}
        lists = {"seeds": list(self.seeds), "budget": list(self.budget)}
        return vars(self) | {**lists, "scores": scores}


def others(runs: Sequence[Run], communities: Sequence[Community]) -> list[Other]:
    """The methods of accepted submissions that were scored on the test of one of our runs."""
    ours, found = by_test(runs), []
    for community in communities:
        whole = [run for run in community.runs if not of_one_source(run)]
        for test, same in by_test(whole).items():
            if test not in ours:
                continue
            groups: dict[str, list[Run]] = {}
            for run, method in zip(same, method_names(same), strict=True):
                groups.setdefault(method, []).append(run)
            named = [*zip(method_names(ours[test]), ours[test], strict=True)]
            found += [
                other(community.name, name, members, named) for name, members in groups.items()
            ]
    return found


def by_test(runs: Iterable[Run]) -> dict[tuple[str, ...], list[Run]]:
    """The runs of each test."""
    found: dict[tuple[str, ...], list[Run]] = {}
    for run in runs:
        found.setdefault(test_of(run), []).append(run)
    return found


def test_of(run: Run) -> tuple[str, ...]:
    """What must be equal before two runs may be shown together."""
    return (run.spec["dataset"], run.spec["split"], *identity(run).values())


def other(
    submission: str, method: str, members: list[Run], named: Sequence[tuple[str, Run]]
) -> Other:
    """The line of one method; members, its runs on one test; named, ours on it with the names of
    their methods."""
    members.sort(key=lambda run: int(run.spec["seed"]))
    same = [
        (name, run)
        for name, run in named
        if group_id(run) == group_id(members[0]) and not changed_losses([run, *members])
    ]
    known = {run.record["parameters"]["sha256"] for _, run in same}
    return Other(
        submission,
        str(members[0].spec["dataset"]),
        str(members[0].spec["split"]),
        method,
        tuple(int(run.spec["seed"]) for run in members),
        {key: tuple(run.scores[key] for run in members) for key in SCORES},
        same[0][0] if same else "",
        sum(run.record["parameters"]["sha256"] in known for run in members),
        other_budget(members[0], [run for _, run in named]),
    )


def other_budget(run: Run, runs: Sequence[Run]) -> tuple[str, ...]:
    """`steps 40 (ours 24)` for each field in which a run's budget differs from the nearest one of
    ours; of the network alone, if it or all of ours train nothing."""
    trained = [own for own in runs if own.spec["loss"] != NO_LOSS]
    fields = [name for name in Budget.model_fields if name not in {*OWN_RATES, "weights"}]
    if run.spec["loss"] == NO_LOSS or not trained:
        fields, trained = list(UNTRAINED), list(runs)
    return min((differences(run, own, fields) for own in trained), key=len)


def differences(run: Run, own: Run, fields: Sequence[str]) -> tuple[str, ...]:
    """`steps 40 (ours 24)` for each of some fields in which two runs differ."""
    pairs = {
        field: tuple(show({**UNSET, **each.spec}.get(field)) for each in (run, own))
        for field in fields
    }
    return tuple(
        f"{field.removesuffix('_sha256').replace('_', ' ')} {theirs} (ours {ours})"
        for field, (theirs, ours) in pairs.items()
        if theirs != ours
    )


def verified(
    communities: Sequence[Community], shown: Sequence[Other], runs: Sequence[Run]
) -> dict[str, str]:
    """By submission on the test of our runs: who it is from, what was verified, where and when, and
    how many of its runs are left out."""
    names, ours = {row.submission for row in shown}, by_test(runs)
    texts = {}
    for found in communities:
        on_test = [run for run in found.runs if test_of(run) in ours and of_one_source(run)]
        if found.name in names or on_test:
            left = f" {LEFT_OUT.format(len(on_test))}" if on_test else ""
            texts[found.name] = f"{credit(found)}{words(found.accepted)}{left}"
    return texts


def credit(found: Community) -> str:
    given = filter(None, (found.submission.title, found.submission.author))
    return "".join(f"{text}. " for text in given)


def words(accepted: Accepted) -> str:
    """What was and was not verified, where and when, in one paragraph."""
    where = accepted.environment
    versions = where["packages"]
    return (
        f"{accepted.verdict.capitalize()} on {where['finished'][:10]} with proxy-bench "
        f"{versions['proxy-bench']} and torch {versions['torch']} on {where['cpu']}. "
        f"Verified: {'; '.join(accepted.checked)}. "
        f"Not verified: {'; '.join(accepted.not_checked) or 'nothing was left out'}. "
        f"Trained again by lot {accepted.draw}: {', '.join(accepted.trained) or 'no run'}."
    )
