"""RunSpec: everything that can change the numbers of one run, and nothing else.

Where a run is executed (device, processes, folders) is not part of it, so the same specification
has the same id on every machine.
"""

import hashlib
import json
import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
)

from bench.suggest import STEERING

# What the stored numbers mean; raised whenever a change makes old numbers incomparable.
PROTOCOL: Literal[1] = 1


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


Line = Annotated[str, AfterValidator(on_one_line)]
Name = Annotated[Line, StringConstraints(min_length=1, max_length=60, pattern=r"\S")]
Seed = Annotated[int, BeforeValidator(no_switch), Field(ge=0, lt=2**32)]
LossArgument = bool | int | float | str


class Budget(BaseModel):
    """What a data set fixes for every loss alike: the network, the batches and the optimiser."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    split: Name = "class-disjoint"
    backbone: Name = "conv4"
    embedding_dim: int = Field(ge=1, le=8192)
    batch_size: int = Field(ge=2, le=65_536)  # images
    steps: int = Field(ge=1, le=10**9)  # optimiser steps
    evaluate_every: int = Field(ge=1)  # steps between two validations
    learning_rate: float = Field(gt=0)  # of the network (AdamW)
    weight_decay: float = Field(ge=0)  # of the network; a loss's own parameters have none
    # Small images are moved ("affine"), photographs cropped ("crop", "resized-crop").
    augmentation: Literal["none", "affine", "crop", "resized-crop"] = "affine"
    resize: int | None = Field(default=None, ge=1, le=4096)  # photographs' shorter side, once
    crop: int | None = Field(default=None, ge=1, le=4096)  # side of the square that is seen of them

    no_switches = field_validator("*", mode="before")(no_switch)


class RunSpec(Budget):
    """One run, fully resolved: no default is left to be looked up later.

    `method` is the name that tables print; it is the only field that cannot change a number and is
    therefore not part of `spec_id`.
    """

    protocol: Literal[1] = PROTOCOL
    method: Name
    dataset: Name
    loss: Name
    loss_args: dict[str, LossArgument]
    loss_learning_rate: float = Field(ge=0)  # of the loss's own parameters (AdamW)
    samples_per_class: int = Field(ge=1)  # images of one class in a batch
    seed: Seed

    @property
    def spec_id(self) -> str:
        """Digest of all fields but `method`: runs with the same id give the same numbers."""
        return digest(self.model_dump(exclude={"method"}))

    @property
    def run_name(self) -> str:
        """Name of the run's directory, e.g. `glyphs-proxy-nca-s0-1f0c4a9e2b77`."""
        return self.name_with(self.spec_id)

    def name_with(self, spec_id: str) -> str:
        """`run_name` with an id that was stored."""
        return f"{slug(self.dataset)}-{slug(self.method)}-s{self.seed}-{spec_id}"


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
