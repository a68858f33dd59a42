"""JSON Schemas of what the suite reads and writes: `python -m bench.cli.schemas docs/schemas`.

Each has a number. A field that goes, or means something else, raises it; one more field does not.
"""

import json
import sys
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter

from bench.published import Published
from bench.store.community import Accepted, Submission, Verdict
from bench.store.record import SCHEMA, Record
from bench.suites.model import Suite

DIALECT = "https://json-schema.org/draft/2020-12/schema"
Cells = dict[str, str | int | float | bool | None]  # a row of a CSV file of the report


class Document(BaseModel):
    """Fields of a document that a command prints, and no others."""

    model_config = ConfigDict(extra="forbid")


class StatusRun(Document):
    """The state of a run; `varies` is what its seed decides in a study of variance."""

    run: str
    dataset: str
    split: str
    method: str
    seed: int
    varies: str | None
    state: Literal["finished", "running", "failed", "interrupted", "waiting", "damaged"]
    step: int | None
    steps: int
    error: str | None
    scores: dict[str, float] | None
    problem: str | None


class Status(Document):
    """What `status --json` prints."""

    title: str
    runs: list[StatusRun]
    problems: list[str]


class Show(Document):
    """What `show --json` prints: `record` is the content of run.json, which has a schema itself."""

    run: str
    problem: str | None
    record: dict[str, JsonValue]
    curve: list[dict[str, float | None]]


class Interval(Document):
    """Mean over seeds and half the width of its interval, which one seed does not have."""

    mean: float
    half_width: float | None


class ScoreRow(Document):
    """A row of the score tables, as shares; `not_worse` are the scores in bold."""

    dataset: str
    split: str
    method: str
    loss: str | None
    seeds: list[int]
    scores: dict[str, Interval]
    gain: Interval | None = Field(description="Over the pretrained features.")
    not_worse: list[str]


class OtherRow(Document):
    """A method of accepted results from others, on the test of ours; scores are those of its seeds,
    `ours` is our method of the same specification and code of its loss, `equal` its runs with our
    parameters, `budget` the fields of its budget that are not ours."""

    submission: str
    dataset: str
    split: str
    method: str
    seeds: list[int]
    scores: dict[str, list[float]]
    ours: str
    equal: int
    budget: list[str]


class Report(Document):
    """What `report --json` prints; rows of the CSV files have their columns as fields."""

    title: str
    scores: list[ScoreRow]
    uncertainty: list[Cells]
    costs: list[Cells]
    profile: list[Cells]
    variance: list[Cells] | None
    others: list[OtherRow]
    regimes: list[str]
    findings: list[str]
    problems: list[str]
    missing: list[str] = Field(description="Runs of the suite that are not stored.")
    files: list[str]


class SuiteEntry(Document):
    """A suite of the package."""

    name: str
    title: str
    runs: int


class LossEntry(Document):
    """A loss; hyper-parameters with their defaults, and as they are declared with their ranges."""

    name: str
    family: str
    summary: str
    paper: str
    hyper_parameters: dict[str, JsonValue]
    declared: list[str]


class DatasetEntry(Document):
    """A data set; one that is embedded needs no data root."""

    name: str
    description: str
    splits: list[str]
    embedded: bool


class Listing(Document):
    """What `list --json` prints: all lists, or the one that is named."""

    suites: list[SuiteEntry] = Field(default=[])
    losses: list[LossEntry] = Field(default=[])
    datasets: list[DatasetEntry] = Field(default=[])


class Cost(Document):
    """What runs cost: hours of the sweep, bytes of one process and of the disk."""

    runs: int
    stored: int
    images: int
    hours: float
    memory_bytes: float
    disk_bytes: float


class BudgetCost(Cost):
    """The cost of one budget."""

    dataset: str
    split: str


class Plan(Document):
    """What `plan --json` prints."""

    title: str
    processes: int
    device: str
    budgets: list[BudgetCost]
    all: Cost
    notes: list[str]


class AuditCheck(Document):
    """A check of `score --audit`: whether it found something that may be wrong, and a sentence."""

    name: str
    alarm: bool
    says: str


class AuditFigure(Document):
    """A score by another library, ours beside it, and why they differ."""

    library: str
    score: str
    theirs: float
    ours: float
    why: str


class Audit(Document):
    """What `score --audit` found."""

    checks: list[AuditCheck]
    peers: list[AuditFigure]
    not_installed: list[str]


class Score(Document):
    """What `score --json` prints; `audit` only with `--audit`."""

    images: int
    dimensions: int
    classes: int
    cameras: int | None
    gallery: int | None
    scores: dict[str, float]
    notes: list[str]
    audit: Audit | None = None


class Moved(Document):
    """A quantity that differs, as it is stored and as it was found."""

    quantity: str
    stored: str
    found: str


class Size(Document):
    """How far a score moved, and half the width of the interval over the stored seeds of its
    method, which one seed does not have."""

    score: str
    moved: float
    half_width: float | None
    seeds: int


class Verified(Document):
    """The verification of a run."""

    run: str
    verdict: Literal["pass", "differs", "differs, explained", "cannot be verified"]
    compared: list[str]
    differences: list[Moved]
    unchecked: list[str]
    reasons: list[str]
    sizes: list[Size]
    error: str | None


class Verify(Document):
    """What `verify --json` prints."""

    runs: list[Verified]


class Parting(Document):
    """The first link of two chains that differs; `equal` is the step of the last one that does not,
    `of` the number of all tensors."""

    step: int
    equal: int | None
    kinds: list[str]
    tensors: list[str]
    of: int
    cause: str


class Diff(Document):
    """What `diff --json` prints: `stored` is of the first run, `found` of the second."""

    runs: list[str]
    equal: bool
    parting: Parting | None
    links: int
    without_chain: list[str]
    specification: list[Moved]
    results: list[Moved]
    reasons: list[str]
    element: Moved | None
    looked_for: str
    trained: list[str]


class Found(Document):
    """What a check found wrong, and where."""

    check: str
    where: str
    what: str


class Accept(Document):
    """What `accept --json` prints; `draw` decided by lot which runs were trained again."""

    name: str
    verdict: Verdict
    draw: int
    runs: int
    scored: int
    trained: list[str]
    checked: list[str]
    not_checked: list[str]
    findings: list[Found]
    differences: list[str]


class WeightsEntry(Document):
    """Pretrained weights; `problem` is why they are not here."""

    backbone: str
    licence: str
    bytes: int | None
    path: str | None
    problem: str | None


class Numbered(NamedTuple):
    """The number of a schema, and the type that it is made from."""

    number: int
    type: Any


SCHEMAS = {
    "run": Numbered(SCHEMA, Record),
    "suite": Numbered(1, Suite),
    "submission": Numbered(1, Submission),
    "accepted": Numbered(1, Accepted),
    "status": Numbered(1, Status),
    "show": Numbered(1, Show),
    "report": Numbered(1, Report),
    "list": Numbered(1, Listing),
    "published": Numbered(1, list[Published]),
    "plan": Numbered(1, Plan),
    "score": Numbered(1, Score),
    "verify": Numbered(1, Verify),
    "diff": Numbered(1, Diff),
    "accept": Numbered(1, Accept),
    "data-list": Numbered(1, list[DatasetEntry]),
    "weights-list": Numbered(1, list[WeightsEntry]),
}


def file_name(name: str) -> str:
    return f"{name}-{SCHEMAS[name].number}.json"


def schema(name: str) -> dict[str, Any]:
    """The JSON Schema with a name of `SCHEMAS`."""
    made = TypeAdapter(SCHEMAS[name].type).json_schema()
    if name == "suite":  # the name of a budget gives its data set unless the budget does
        made["$defs"]["SuiteBudget"]["required"].remove("dataset")
    title = f"{name}, version {SCHEMAS[name].number}"
    return {"$schema": DIALECT, "$id": file_name(name), **made, "title": title}


def write_schemas(folder: Path) -> None:
    """Write every schema into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in SCHEMAS:
        text = json.dumps(schema(name), indent=1, allow_nan=False)
        (folder / file_name(name)).write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    write_schemas(Path(sys.argv[1]))
