"""Results from others: accepted submissions on the same test, beside ours and in no ranking."""

from collections.abc import Mapping, Sequence
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
from bench.reporting.rows import mean_text
from bench.reporting.statistics.stats import mean_interval
from bench.spec import NETWORK, NO_LOSS, OWN_RATES, UNSET, Budget
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
    "may be equal to the last bit. Differences between budgets are not due to the loss alone. Runs "
    "of a study of variance in which one source of chance varies alone are left out."
)


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
    tests = {test_of(run) for run in runs}
    found = []
    for community in communities:
        by_test: dict[tuple[str, ...], list[Run]] = {}
        for run in community.runs:
            if test_of(run) in tests and not of_one_source(run):
                by_test.setdefault(test_of(run), []).append(run)
        for same in by_test.values():
            groups: dict[str, list[Run]] = {}
            for run, method in zip(same, method_names(same), strict=True):
                groups.setdefault(method, []).append(run)
            found += [
                other(community.name, name, members, runs) for name, members in groups.items()
            ]
    return found


def test_of(run: Run) -> tuple[str, ...]:
    """What must be equal before two runs may be shown together."""
    return (run.spec["dataset"], run.spec["split"], *identity(run).values())


def other(submission: str, method: str, members: list[Run], runs: Sequence[Run]) -> Other:
    """The line of one method; members, its runs on one test."""
    members.sort(key=lambda run: int(run.spec["seed"]))
    same = [
        run
        for run in runs
        if group_id(run) == group_id(members[0]) and not changed_losses([run, *members])
    ]
    known = {run.record["parameters"]["sha256"] for run in same}
    return Other(
        submission,
        str(members[0].spec["dataset"]),
        str(members[0].spec["split"]),
        method,
        tuple(int(run.spec["seed"]) for run in members),
        {key: tuple(run.scores[key] for run in members) for key in SCORES},
        str(same[0].spec["method"]) if same else "",
        sum(run.record["parameters"]["sha256"] in known for run in members),
        other_budget(members[0], runs),
    )


def other_budget(run: Run, runs: Sequence[Run]) -> tuple[str, ...]:
    """`steps 40 (ours 24)` for each field of a run's budget that no run of ours on its test has;
    of the network alone, if it or all of ours train nothing."""
    mine = [own for own in runs if test_of(own) == test_of(run)]
    trained = [own for own in mine if own.spec["loss"] != NO_LOSS]
    fields = [name for name in Budget.model_fields if name not in {*OWN_RATES, "weights"}]
    if run.spec["loss"] == NO_LOSS or not trained:
        fields = [name for name in NETWORK if name not in ("embedding_dim", "head_init")]
        trained = mine
    found = []
    for field in fields:
        theirs = show({**UNSET, **run.spec}.get(field))
        ours = dict.fromkeys(show({**UNSET, **own.spec}.get(field)) for own in trained)
        if theirs not in ours:
            found.append(f"{field.replace('_', ' ')} {theirs} (ours {', '.join(ours)})")
    return tuple(found)


def verified(communities: Sequence[Community], shown: Sequence[Other]) -> dict[str, str]:
    """By submission that is shown: who it is from, and what was verified, where and when."""
    names = {row.submission for row in shown}
    return {
        found.name: f"{credit(found)}{words(found.accepted)}"
        for found in communities
        if found.name in names
    }


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
