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
    StrictBool,
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
# order is which images a batch holds, and what dropout or stochastic depth leaves out of a step. A
# split that varies draws which training classes validate.
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
SEEDS = 2**32  # 0 to one less
Seed = Annotated[int, Field(ge=0, lt=SEEDS), BeforeValidator(no_switch)]
Samples = Annotated[int, Field(ge=1)] | Literal["random"]
LossArgument = bool | int | float | str
Purpose = Literal["result", "trial"]
TIMM = "timm:"  # begins the name of a backbone of timm, which is checked once timm is loaded
NO_LOSS = "none"  # the loss of a run without training
# Fields that name things and cannot change a number: not part of an id.
NAMES = {"method", "weights"}
OWN_RATES = ("learning_rate", "head_learning_rate")  # a method may have those of its search
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

    split: Name = Field(
        default="class-disjoint",
        description="Which images train, validate and test: a split of the data set.",
    )
    backbone: Name = Field(
        default="conv4",
        description="The network: `conv4`, `resnet18`, `resnet50`, `googlenet`, "
        "`efficientnet_lite0`, or `timm:NAME` for any of timm that pools its features.",
    )
    weights: Line | None = Field(
        default=None,
        description='What the backbone starts with: `"pretrained"` or the path of a file; random '
        "weights if not given. Images are scaled as for the backbone's own pretrained weights, so "
        "for a file give the tag of a network of timm too: `timm:NAME.TAG`.",
    )
    weights_sha256: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")] | None = Field(
        default=None,
        description="SHA-256 of the file of weights, computed if not given; others are refused.",
    )
    pooling: Literal["avg", "max", "avg+max"] = Field(
        default="avg",
        description="How the last feature map becomes one vector: average, maximum or their sum.",
    )
    layer_norm: StrictBool = Field(
        default=False,
        description="Whether the pooled features are layer-normalised, without learned parameters.",
    )
    embedding_dim: int = Field(
        ge=0,
        le=8192,
        description="Dimensions of the embedding, by a linear head; 0 for the pooled features "
        "themselves, without a head.",
    )
    head_init: Literal["random", "orthogonal", "pca"] = Field(
        default="random",
        description="How the head starts: uniformly random, a random orthogonal matrix, or the "
        "principal components of the features of the training images.",
    )
    class_vectors_init: Literal["random", "class-means"] = Field(
        default="random",
        description="How proxies, centers and classifier weights start: random, or at the means "
        "of the embeddings of their classes.",
    )
    frozen: Literal["none", "norm", "backbone"] = Field(
        default="none",
        description="What of pretrained weights does not train: nothing, the batch normalisation, "
        "or the whole backbone.",
    )
    batch_size: int = Field(ge=2, le=65_536, description="Images of a batch.")
    steps: int = Field(ge=1, le=10**9, description="Optimiser steps.")
    evaluate_every: int = Field(ge=1, description="Steps between two validations.")
    patience: int | None = Field(
        default=None,
        ge=1,
        description="Validations without a better MAP@R after which a run ends before its last "
        "step; every step if not given.",
    )
    optimizer: Literal["adamw", "adam", "sgd", "rmsprop"] = Field(
        default="adamw", description="Optimiser of the network and of class vectors."
    )
    learning_rate: float = Field(gt=0, description="Learning rate of the network.")
    head_learning_rate: float | None = Field(
        default=None,
        ge=0,
        description="Learning rate of the head; that of the network if not given.",
    )
    weight_decay: float = Field(
        ge=0, description="Weight decay of the network; class vectors have none."
    )
    momentum: float = Field(default=0.0, ge=0, lt=1, description="Momentum of sgd and rmsprop.")
    epsilon: float = Field(
        default=1e-8, gt=0, description="Added to the denominator of all optimisers but sgd."
    )
    schedule: Literal["constant", "step", "cosine"] = Field(
        default="constant",
        description="How all learning rates change: not at all, every `decay_every` steps by "
        "`decay_factor`, or to 0 along a cosine.",
    )
    warmup_steps: int = Field(
        default=0, ge=0, description="First steps, in which learning rates grow linearly."
    )
    head_only_steps: int = Field(
        default=0,
        ge=0,
        description="First steps, in which only head and class vectors train; statistics of batch "
        "normalization are updated.",
    )
    decay_every: int | None = Field(
        default=None,
        ge=1,
        description='Steps between two decays; `schedule = "step"` needs it, no other takes it.',
    )
    decay_factor: float = Field(
        default=0.1, gt=0, lt=1, description='What `schedule = "step"` multiplies rates by.'
    )
    clip_norm: float | None = Field(
        default=None,
        gt=0,
        description="The norm that the gradient of the network is clipped to; not clipped if not "
        "given.",
    )
    precision: Literal["float32", "bf16"] = Field(
        default="float32",
        description="Arithmetic of the network in a training step. On a CPU, bf16 is refused for "
        "convolutions whose stride is larger than their maps: PyTorch's gradient is wrong.",
    )
    augmentation: Literal["none", "affine", "crop", "resized-crop"] = Field(
        default="affine",
        description="Small images take none or affine (turned, sheared, scaled, shifted); "
        "photographs none (the centre), crop (a random square) or resized-crop (of random size and "
        "shape).",
    )
    resize: int | None = Field(
        default=None,
        ge=1,
        le=4096,
        description="Pixels of the shorter side after decoding; photographs need it, small images "
        "take none.",
    )
    crop: int | None = Field(
        default=None,
        ge=1,
        le=4096,
        description="Pixels of the side of the square that the network sees, at most `resize`; "
        "photographs need it, small images take none.",
    )
    interpolation: Literal["bilinear", "bicubic"] = Field(
        default="bilinear", description="How photographs are resized."
    )

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
    loss_learning_rate: float = Field(ge=0)  # of the loss's own parameters
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
    """A data set's name within a file name, another one for each: as it is where it may be one
    (`grocery_store`, `folder:birds` -> `folder-birds`), else its slug with a digest
    (`folder:My birds` -> `folder-my-birds-51c0c2`), also where only capitals differ."""
    plain = dataset.replace(":", "-", 1)
    if re.fullmatch(r"[a-z0-9_.-]+", plain):
        return plain
    return f"{slug(dataset)}-{sha256(dataset)[:6]}"
