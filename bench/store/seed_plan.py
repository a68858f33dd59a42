"""How the seeds of a suite grow until its pairs of methods are decided; fixed before any look.

`<results>/until-decided/<suite>.json` holds it. Every later command uses the same numbers: a rule
that is changed after a look at the scores no longer bounds how often verdicts are wrong.
"""

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.spec import SEEDS, Seed, sha256
from bench.store.record import Sha256, first_mistake
from bench.store.runs import write_text

MOST = 30  # seeds, unless the user says otherwise


class SeedPlan(BaseModel):
    """How far a suite may grow, by which rule, and which stored runs that concerns.

    Attributes: seeds, those of the suite; most, to how many a method may grow; margin, within which
    scores count as the same, in 0..1; skipped, a seed that is not added because the search behind
    the suite had it; methods, the `RunSpec.method_id` of the suite's methods; pairs, of a table of
    the suite, by no fewer of which its level is divided, also where a part of it is looked at; 0 in
    a plan of an older version; added, the ids of methods and the seeds that were added up to now,
    which such a plan may not say.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)]
    most: Annotated[int, Field(ge=2, le=1000)]
    margin: Annotated[float, Field(gt=0, lt=1)]
    skipped: Seed | None = None
    methods: tuple[str, ...] = ()
    pairs: Annotated[int, Field(ge=0)] = 0
    added: tuple[tuple[str, Seed], ...] | None = None

    @property
    def sealed(self) -> str:
        """SHA-256 of all of it that is set."""
        unset = {
            name for name, value in (("pairs", 0), ("added", None)) if value == vars(self)[name]
        }
        return sha256(self.model_dump(mode="json", exclude=unset))

    @property
    def further(self) -> tuple[int, ...]:
        """The seeds that may be added, in order; fewer where these are beyond the last there is."""
        start, count = max(self.seeds) + 1, max(0, self.most - len(self.seeds))
        candidates = range(start, min(start + count + 1, SEEDS))
        return tuple(seed for seed in candidates if seed != self.skipped)[:count]

    def covers(self, method_id: str, seed: int) -> bool:
        """Whether a run of this method and seed is judged by this plan."""
        return method_id in self.methods and seed in {*self.seeds, *self.further}

    def may_have_added(self, method_id: str, seed: int) -> bool:
        """Whether a run of this method and seed was added because of scores."""
        if self.added is None:
            return method_id in self.methods and seed in self.further
        return (method_id, seed) in self.added

    def lost(self, stored: Collection[int]) -> list[int]:
        """The seeds that a method lacks, although it has a later one than the suite's own."""
        order = [*self.seeds, *self.further]
        last = max((n for n, seed in enumerate(order) if seed in stored), default=0)
        return [seed for seed in order[:last] if seed not in stored and last >= len(self.seeds)]

    def __str__(self) -> str:
        seeds = " ".join(map(str, self.seeds))
        without = "" if self.skipped is None else f" without {self.skipped}"
        return f"seeds {seeds}, at most {self.most}{without}, margin {100 * self.margin:g}"


class StoredPlan(SeedPlan):
    """What the file holds."""

    digest: Sha256

    @property
    def plan(self) -> SeedPlan:
        return SeedPlan.model_validate(self.model_dump(exclude={"digest"}))


def plan_path(results: Path, suite: str) -> Path:
    """Where the plan of a suite is, by its name or path."""
    return results / "until-decided" / f"{Path(suite.removesuffix('.toml')).name}.json"


def read_plan(
    results: Path, suite: str, seeds: Sequence[int], methods: Collection[str] = ()
) -> SeedPlan | None:
    """The plan of a suite, or None.

    Arguments: seeds, those of the suite; methods, their ids, if a plan with none of them is to be
    left: that of another suite in a file of the same name.
    Raises: ValueError if the plan cannot be read, or was made for other seeds.
    """
    path = plan_path(results, suite)
    plan = load_plan(path) if path.exists() else None
    if plan is None or (methods and plan.methods and not {*methods} & {*plan.methods}):
        return None
    if plan.seeds != tuple(seeds):
        found = " ".join(map(str, seeds))
        raise ValueError(f"{path} has {plan}, but the suite has the seeds {found}; {AGAIN}")
    return plan


def read_plans(results: Path) -> dict[str, SeedPlan]:
    """The plan of every suite, by its name. Raises: ValueError as `load_plan`."""
    return {
        path.stem: load_plan(path) for path in sorted(plan_path(results, "*").parent.glob("*.json"))
    }


def load_plan(path: Path) -> SeedPlan:
    """The plan in a file. Raises: ValueError if it cannot be read or was changed."""
    try:
        stored = StoredPlan.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}); {AGAIN}") from error
    except ValidationError as error:
        raise ValueError(f"{path} cannot be read: {first_mistake(error)}; {AGAIN}") from error
    if stored.digest != stored.plan.sealed:
        raise ValueError(f"{path} was changed after the first look; {AGAIN}")
    return stored.plan


AGAIN = "restore it, or delete it to begin again, which forgets earlier looks"


def keep_plan(results: Path, suite: str, plan: SeedPlan) -> SeedPlan:
    """Store the plan of a suite, before its first look and before each seed is added; methods that
    were edited are added, and pairs are never fewer than they were. Returns: what is stored.

    Raises: ValueError if another one is stored.
    """
    stored = read_plan(results, suite, plan.seeds)
    methods = tuple(dict.fromkeys([*(stored.methods if stored else ()), *plan.methods]))
    grown: dict[str, object] = {"methods": methods}
    grown["pairs"] = max(plan.pairs, stored.pairs if stored else 0)
    if stored and stored.added is not None:
        grown["added"] = tuple(sorted({*stored.added, *(plan.added or ())}))
    elif stored:
        grown["added"] = None
    kept = plan.model_copy(update=grown)
    if stored and stored.model_copy(update=grown) != kept:
        raise ValueError(f"{plan_path(results, suite)} has {stored}, not {plan}; {AGAIN}")
    if stored != kept:
        content = kept.model_dump() | {"digest": kept.sealed}
        write_text(plan_path(results, suite), json.dumps(content, indent=2) + "\n")
    return kept
