"""RunSpec: everything that can change the numbers of one run, and nothing else.

Where a run is executed (device, processes, folders) is not part of it, so the same specification
has the same id on every machine.
"""

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_serializer,
)

from bench.suggest import STEERING

# What the stored numbers mean; raised whenever a change makes old numbers incomparable.
PROTOCOL: Literal[2] = 2


def on_one_line(text: str) -> str:
    """The text; ValueError if it has a character that steers a terminal or ends the line."""
    if found := STEERING.search(text.replace("\n", "\x0b")):
        raise ValueError(f"has the control character {text[found.start()]!r}; remove it")
    return text


def no_switch(value: Any) -> Any:
    """The value; ValueError for true and false, which would count as the numbers 1 and 0."""
    if isinstance(value, bool):
        raise ValueError(f"{str(value).lower()} is not a number or a text")
    return value


# Sources of chance in a training. Initial weights are those of the network and all that the loss
# draws when it is made: class vectors, which classes share one, the seed of drawn negatives. Batch
# order is which images a batch holds. A split that varies draws which training classes validate.
Source = Literal["weights", "batches", "augmentation", "split"]
SOURCES: tuple[Source, ...] = get_args(Source)
BY_SEED = ("weights", "batches", "augmentation")  # what the seed decides, unless a run says more
FIXED_SEED = 0  # of a source that does not vary


def joined(sources: Collection[str]) -> str | None:
    """Sources of chance as `RunSpec.varies` has them: `weights+batches`; None for `BY_SEED`."""
    found = [source for source in SOURCES if source in sources]
    return None if set(found) == set(BY_SEED) else "+".join(found)


def known_sources(text: str) -> str | None:
    """The text in the form of `joined`; ValueError for anything but sources, each once."""
    sources = text.split("+")
    if set(sources) - set(SOURCES) or len(set(sources)) < len(sources):
        raise ValueError(f"{text!r} is not one or more of {', '.join(SOURCES)} joined by +")
    return joined(sources)


Line = Annotated[str, AfterValidator(on_one_line)]
Name = Annotated[Line, StringConstraints(min_length=1, max_length=60, pattern=r"\S")]
Seed = Annotated[int, BeforeValidator(no_switch), Field(ge=0, lt=2**32)]
Samples = Annotated[int, Field(ge=1)] | Literal["random"]
LossArgument = bool | int | float | str
Purpose = Literal["result", "trial"]
TIMM = "timm:"  # begins the name of a backbone of timm, which is checked once timm is loaded
NO_LOSS = "none"  # the loss of a run without training
# Fields that name things and cannot change a number: not part of an id.
NAMES = {"method", "weights"}
# Fields that decide the network before its first step, and what it sees of a test image.
NETWORK = (
    *("backbone", "weights_sha256", "pooling", "layer_norm", "embedding_dim", "head_init"),
    *("resize", "crop", "interpolation"),
)
# Fields that came after the first stored runs. While they keep their defaults they are left out of
# ids and records, so that what was stored before keeps its id.
ADDED = frozenset(
    {
        "weights", "weights_sha256", "pooling", "layer_norm", "head_init", "class_vectors_init",
        "frozen", "optimizer", "head_learning_rate", "momentum", "epsilon", "schedule",
        "warmup_steps", "decay_every", "decay_factor", "clip_norm", "precision", "patience",
        "head_only_steps", "interpolation", "purpose", "varies",
    }
)  # fmt: skip


class Budget(BaseModel):
    """What a data set fixes for every loss alike: the network, the batches and the optimiser."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    split: Name = "class-disjoint"
    backbone: Name = "conv4"
    # Of the weights of the backbone: random unless given. `weights` is where they come from,
    # "pretrained" or a file; the digest is what decides the numbers.
    weights: Line | None = None
    weights_sha256: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")] | None = None
    pooling: Literal["avg", "max", "avg+max"] = "avg"  # of the last feature map
    layer_norm: bool = False  # of the pooled features, without affine parameters
    embedding_dim: int = Field(ge=0, le=8192)  # 0: the pooled features themselves, without a head
    head_init: Literal["random", "orthogonal", "pca"] = "random"
    class_vectors_init: Literal["random", "class-means"] = "random"  # proxies, centers and weights
    frozen: Literal["none", "norm", "backbone"] = "none"
    batch_size: int = Field(ge=2, le=65_536)  # images
    steps: int = Field(ge=1, le=10**9)  # optimiser steps
    evaluate_every: int = Field(ge=1)  # steps between two validations
    # Validations without a better MAP@R after which a run ends before its last step.
    patience: int | None = Field(default=None, ge=1)
    optimizer: Literal["adamw", "adam", "sgd", "rmsprop"] = "adamw"
    learning_rate: float = Field(gt=0)  # of the network
    head_learning_rate: float | None = Field(default=None, ge=0)  # that of the network if not given
    weight_decay: float = Field(ge=0)  # of the network; a loss's own parameters have none
    momentum: float = Field(default=0.0, ge=0, lt=1)  # of sgd and rmsprop
    epsilon: float = Field(default=1e-8, gt=0)  # in the denominator of all but sgd
    schedule: Literal["constant", "step", "cosine"] = "constant"  # of all learning rates
    warmup_steps: int = Field(default=0, ge=0)  # in which learning rates grow linearly
    head_only_steps: int = Field(default=0, ge=0)  # first steps, of head and class vectors alone
    decay_every: int | None = Field(default=None, ge=1)  # steps, of the schedule "step"
    decay_factor: float = Field(default=0.1, gt=0, lt=1)
    clip_norm: float | None = Field(default=None, gt=0)  # of the network's gradient
    precision: Literal["float32", "bf16"] = "float32"  # of the network in a training step
    # Small images are moved ("affine"), photographs cropped ("crop", "resized-crop").
    augmentation: Literal["none", "affine", "crop", "resized-crop"] = "affine"
    resize: int | None = Field(default=None, ge=1, le=4096)  # photographs' shorter side, once
    crop: int | None = Field(default=None, ge=1, le=4096)  # side of the square that is seen of them
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"  # by which they are resized

    @field_validator("*", mode="before")
    @classmethod
    def no_switches(cls, value: Any, info: ValidationInfo) -> Any:
        return value if info.field_name == "layer_norm" else no_switch(value)

    @model_serializer(mode="wrap")
    def leave_out_unset(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without the fields of `ADDED` that keep their defaults."""
        fields: dict[str, Any] = serialize(self)
        defaults = type(self).model_fields
        return {
            name: value
            for name, value in fields.items()
            if name not in ADDED or value != defaults[name].default
        }


class RunSpec(Budget):
    """One run, fully resolved: no default is left to be looked up later.

    The fields of `NAMES` cannot change a number and are therefore not part of `spec_id`: `method`,
    the name that tables print, and `weights`, where a file with the digest was found. A run with
    the loss "none" has no steps: it scores the network as it starts.
    """

    protocol: Literal[2] = PROTOCOL
    purpose: Purpose = "result"  # a trial of a search never sees the test split
    method: Name
    dataset: Name
    loss: Name
    loss_args: dict[str, LossArgument]
    loss_learning_rate: float = Field(ge=0)  # of the loss's own parameters (AdamW)
    samples_per_class: Samples  # images of one class in a batch; "random": any images
    steps: int = Field(ge=0, le=10**9)
    seed: Seed
    # What the seed decides, for studies of where spread comes from; see `joined` and `seed_of`.
    varies: Annotated[str | None, AfterValidator(known_sources)] = None

    def varied(self, source: Source) -> bool:
        """Whether the seed decides a source of chance."""
        return source in (self.varies.split("+") if self.varies else BY_SEED)

    def seed_of(self, source: Source) -> int:
        """The seed of a source of chance: that of the run, or `FIXED_SEED` if it does not vary."""
        return self.seed if self.varied(source) else FIXED_SEED

    @property
    def spec_id(self) -> str:
        """Digest of all fields but `NAMES`: runs with the same id give the same numbers."""
        return id_of(self.model_dump())

    @property
    def method_id(self) -> str:
        """`spec_id` without the seed: that of all runs that may be averaged."""
        return method_id_of(self.model_dump())

    @property
    def run_name(self) -> str:
        """Name of the run's directory, e.g. `glyphs-proxy-nca-s0-1f0c4a9e2b77`."""
        return self.name_with(self.spec_id)

    def name_with(self, spec_id: str) -> str:
        """`run_name` with an id that was stored."""
        return f"{slug(self.dataset)}-{slug(self.method)}-s{self.seed}-{spec_id}"


# What a record means that lacks these fields.
UNSET = {name: RunSpec.model_fields[name].default for name in sorted(ADDED)}


def id_of(fields: Mapping[str, Any]) -> str:
    """The id of the fields of a specification, which a record of an older version may lack."""
    return digest({name: value for name, value in fields.items() if name not in NAMES})


def method_id_of(fields: Mapping[str, Any]) -> str:
    """`id_of` without the seed."""
    return id_of({name: value for name, value in fields.items() if name != "seed"})


def digest(value: object) -> str:
    """First 12 hexadecimal digits of `sha256`."""
    return sha256(value)[:12]


def sha256(value: object) -> str:
    """SHA-256 over a value's canonical JSON."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def slug(text: str) -> str:
    """ASCII words joined by hyphens, fit for a file name: `A + b` -> `a-b`."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "method"


def file_name(dataset: str) -> str:
    """A data set's name within a file name: as it is where it may be one (`grocery_store`), else
    its slug (`folder:My birds` -> `folder-my-birds`)."""
    return dataset if re.fullmatch(r"[A-Za-z0-9_.-]+", dataset) else slug(dataset)
