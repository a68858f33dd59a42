"""How the seeds of a suite grow until its pairs of methods are decided; fixed before any look.

`<results>/until-decided/<suite>.json` holds it. Every later command uses the same numbers: a rule
that is changed after a look at the scores no longer bounds how often verdicts are wrong.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.spec import Seed
from bench.store.runs import write_text

MOST = 30  # seeds, unless the user says otherwise


class SeedPlan(BaseModel):
    """seeds, those of the suite; most, to how many a method may grow; margin, within which scores
    count as the same, in 0..1."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)]
    most: Annotated[int, Field(ge=2, le=1000)]
    margin: Annotated[float, Field(gt=0, lt=1)]

    @property
    def further(self) -> tuple[int, ...]:
        """The seeds that may be added, in order."""
        start = max(self.seeds) + 1
        return tuple(range(start, start + max(0, self.most - len(self.seeds))))

    def __str__(self) -> str:
        seeds = " ".join(map(str, self.seeds))
        return f"seeds {seeds}, at most {self.most}, margin {100 * self.margin:g}"


def plan_path(results: Path, suite: str) -> Path:
    """Where the plan of a suite is, by its name or path."""
    return results / "until-decided" / f"{Path(suite.removesuffix('.toml')).name}.json"


def read_plan(results: Path, suite: str, seeds: Sequence[int]) -> SeedPlan | None:
    """The plan of a suite, or None. seeds: those of the suite.

    Raises: ValueError if the plan cannot be read, or was made for other seeds.
    """
    path = plan_path(results, suite)
    try:
        plan = SeedPlan.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise ValueError(f"{path} cannot be read: {error.errors()[0]['msg']}; {AGAIN}") from error
    if plan.seeds != tuple(seeds):
        found = " ".join(map(str, seeds))
        raise ValueError(f"{path} has {plan}, but the suite has the seeds {found}; {AGAIN}")
    return plan


AGAIN = "restore it, or delete it to begin anew, which forgets earlier looks"


def keep_plan(results: Path, suite: str, plan: SeedPlan) -> None:
    """Store the plan of a suite, before its first look.

    Raises: ValueError if another one is stored.
    """
    path = plan_path(results, suite)
    stored = read_plan(results, suite, plan.seeds)
    if stored is None:
        write_text(path, json.dumps(plan.model_dump(), indent=2) + "\n")
    elif stored != plan:
        raise ValueError(f"{path} has {stored}, not {plan}; {AGAIN}")
