"""The content of `run.json`: its fields, their ranges, and a digest that shows later changes."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from bench.metrics import METRICS, describe
from bench.spec import RunSpec, id_of, sha256
from bench.store.environment import PINNED
from bench.suggest import brief

SCHEMA = 3  # layout of a run's files; a run with another number is refused
REQUIRED = ("recall@1", "map@r")  # scores that every run has
SLACK = 1e-9  # by which the rounding of sums may carry a share beyond 0 or 1
Sha256 = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]
StoredFile = Literal[
    "curve.jsonl",
    "embeddings.safetensors",
    "history.safetensors",
    "queries.safetensors",
    "roc.safetensors",
    "chain.safetensors",
    "model.safetensors",
]


class Part(BaseModel):
    """Fields with exactly their types; numbers are finite."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class Split(Part):
    """Protocol and fingerprint of a split, and of that with which a run validated if its seed drew
    it; images and classes of each part."""

    protocol: str
    fingerprint: Sha256
    drawn: Sha256 | None = None
    train_images: Count
    train_classes: Count
    validation_images: Count
    validation_classes: Count
    test_images: Count
    test_classes: Count
    gallery_images: Count | None = None  # if it is separate
    gallery_classes: Count | None = None
    searched_images: Count | None = None  # of the gallery, without junk
    most_negatives: Count | None = None  # of any query, with a gallery or cameras
    trained_test_images: Count | None = None  # those of trained classes, if only some are


class Cost(Part):
    """What the training took."""

    train_seconds: float = Field(ge=0)
    images: Count


class Parameters(Part):
    """Number of the network's parameters, and a digest of all values of network and loss."""

    count: Count
    sha256: Sha256


class Environment(Part):
    """What `bench.store.environment.describe` finds."""

    python: str
    packages: dict[str, str]
    platform: str
    cpu: str
    features: str = ""  # as pins, which earlier runs lack
    pins: Annotated[str, StringConstraints(pattern=PINNED)] = ""
    device: str
    threads: Count
    commit: str
    finished: str


class Record(Part):
    """All fields of `run.json`.

    spec_id and spec, those of `RunSpec`; picture_names and validation_names, digests of the names
    and classes of the test and validation images that the browser shows; loss_source, a digest of
    the code of the loss (`bench.suites.loss_source`); scores and untrained, on the test images
    after and before training, by the names of `METRICS`, which a trial lacks;
    diverged, the error with which the training of a trial ended early; files, the digests of the
    files that the run keeps; digest, that of all other fields.
    """

    schema_: Literal[3] = Field(alias="schema")
    spec_id: str
    spec: RunSpec
    split: Split
    data_checksum: Sha256
    picture_names: Sha256 | None = None  # which earlier runs lack
    validation_names: Sha256 | None = None  # of runs with a history
    loss_source: Sha256 | None = None  # as picture_names
    scores: dict[str, float]
    untrained: dict[str, float]
    cost: Cost
    trained: bool = True
    diverged: str | None = None
    parameters: Parameters
    environment: Environment
    files: dict[StoredFile, Sha256]
    digest: Sha256


def sealed(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record with its digest."""
    content = {key: value for key, value in record.items() if key != "digest"}
    return content | {"digest": sha256(content)}


def check_record(record: Mapping[str, Any]) -> str:
    """Check everything that `run.json` alone can show.

    Returns: the name of the run's directory. Raises: ValueError with what was found.
    """
    if (stored := str(record.get("digest"))) != (found := sealed(record)["digest"]):
        raise ValueError(
            f"was changed after the run: it has the digest {stored[:12]}, its content {found[:12]}"
        )
    try:
        spec = Record.model_validate(record).spec
    except ValidationError as error:
        raise ValueError(first_mistake(error)) from error
    if record["spec_id"] != (found := id_of(record["spec"])):
        raise ValueError(f"has the id {record['spec_id']}, its specification {found}")
    if record["split"]["protocol"] != spec.split:
        raise ValueError(f"has the splits {spec.split} and {record['split']['protocol']}")
    if (record["split"].get("drawn") is not None) != spec.varied("split"):
        raise ValueError(
            f"has split.drawn = {record['split'].get('drawn')}, but its seed "
            f"{'draws' if spec.varied('split') else 'does not draw'} the validation classes"
        )
    if "curve.jsonl" not in record["files"]:
        raise ValueError("lacks the digest of curve.jsonl")
    diverged = record.get("diverged") is not None
    if spec.purpose == "trial":
        if found := sorted(record["scores"] | record["untrained"]):
            raise ValueError(f"has {found[0]} on the test split, which a trial never sees")
    elif diverged:
        raise ValueError("has diverged, which only a trial may have")
    elif lost := [key for key in REQUIRED if key not in record["scores"]]:
        raise ValueError(f"lacks scores.{lost[0]}")
    check_scores("scores", record["scores"])
    check_scores("untrained", record["untrained"])
    images, whole = record["cost"]["images"], spec.steps * spec.batch_size
    if images > whole or (images < whole and spec.patience is None and not diverged):
        raise ValueError(
            f"counts {images} images, but {spec.steps} steps of {spec.batch_size} images make "
            f"{whole}"
        )
    return spec.name_with(record["spec_id"])


def first_mistake(error: ValidationError) -> str:
    """The first field that does not fit, with what was found in it."""
    item = error.errors()[0]
    field = ".".join(map(str, item["loc"]))
    if not field:
        return str(item["msg"])
    if item["type"] == "missing":
        return f"lacks {field}"
    if item["type"] == "extra_forbidden":
        return f"has {field}, which this version does not know (it may be of a later version)"
    table = item["type"] in ("model_type", "dict_type")
    what = "expected a table of fields" if table else item["msg"].lower()
    return f"has {field} = {brief(item['input'])}: {what}"


def check_scores(section: str, scores: Mapping[str, float]) -> None:
    """A share is at most 1 and a count is whole; scores that `METRICS` lacks may be any number."""
    for key, value in scores.items():
        if key.startswith("recall@") and not re.fullmatch("recall@[1-9][0-9]{0,8}", key):
            raise ValueError(f"has {section}.{key}: expected a whole number after recall@")
        metric = describe(key)
        if metric.percent and not metric.lowest - SLACK <= value <= 1 + SLACK:
            raise ValueError(f"has {section}.{key} = {value}, expected {metric.lowest:g}..1")
        if key in METRICS and not metric.percent and not (value >= 0 and value == int(value)):
            raise ValueError(f"has {section}.{key} = {value}, expected a count")
