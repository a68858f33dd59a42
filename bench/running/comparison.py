"""The suite file of a comparison of losses on one's own photographs."""

import hashlib
import json
import re
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.datasets.types import Dataset
from bench.running.choose_budget import Plan
from bench.spec import file_name
from bench.suggest import unknown
from bench.suites.arguments import declared_losses

BATCH_SIZES = (32, 16, 8)
CROP = 128  # pixels
CHOSEN_FOR = "# chosen for "
PATIENCE = 3  # validations
DIMENSIONS = 64
# The row and the hyper-parameters of losses that the paper compares; those of others are defaults.
KNOWN: dict[str, tuple[str, dict[str, Any]]] = {
    "proxy_nca": ("Proxy-NCA", {"scale": 9}),
    "triplet": ("Semi-hard triplet", {"margin": 0.2}),
    "center": ("Center + softmax", {"weight": 0.003}),
}


@dataclass(frozen=True)
class Conditions:
    """For what a budget is chosen; content: digest of images and split; options: of arithmetic."""

    content: str
    minutes: float
    losses: tuple[str, ...]
    backbone: str
    weights: str
    options: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """The comment by which a suite file says what it was chosen for."""
        fields = asdict(self)
        if not self.options:  # which earlier files do not name
            del fields["options"]
        return CHOSEN_FOR + json.dumps(fields)


def content_of(dataset: Dataset) -> str:
    """A digest of the images of a data set and of their split."""
    both = f"{dataset.fingerprint} {dataset.checksum}"
    return hashlib.sha256(both.encode()).hexdigest()[:16]


def suite_path(results: Path, dataset: str) -> Path:
    """Where the suite file of a folder's comparison is."""
    return results / f"compare-{file_name(dataset).removeprefix('folder-')}.toml"


def is_for(path: Path, conditions: Conditions) -> bool:
    """Whether a suite file exists and was chosen for the same conditions."""
    try:
        return conditions.line in path.read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, UnicodeDecodeError):
        return False


def read_losses(text: str) -> tuple[str, ...]:
    """`proxy_nca,triplet` -> names of losses.

    Raises: ValueError for an unknown one, one that is named twice, or none.
    """
    names = tuple(part.strip() for part in text.split(","))
    if names == ("",):
        raise ValueError("--losses is empty: expected names such as proxy_nca,triplet")
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"--losses names {name} more than once")
        if name not in declared_losses():
            raise ValueError(f"--losses: {unknown('loss', name, declared_losses())}")
    return names


def batch_size(training_images: int) -> int:
    """Images of a batch, which the training images fill.

    Raises: ValueError if they do not fill the smallest.
    """
    for size in BATCH_SIZES:
        if size <= training_images:
            return size
    raise ValueError(
        f"{training_images} training images are too few to compare losses: it takes "
        f"{BATCH_SIZES[-1]} or more. Add images to each class, or more classes; others of them "
        "validate and test"
    )


def suite_text(dataset: Dataset, conditions: Conditions, plan: Plan) -> str:
    """The suite file of a plan, as TOML with comments."""
    seeds = list(range(plan.seeds))
    methods = "\n".join(method_text(name) for name in conditions.losses)
    title = f"Losses on {dataset.name.partition(':')[2]}"
    command = " ".join(["proxy-bench run", *conditions.options])
    return f"""\
# Written by `proxy-bench compare`, which chose steps and seeds for {conditions.minutes:g} minutes.
# Edit it as you like and run it by `{command}`; `compare` goes on with it as long as the
# next comment fits its options and the images.
{conditions.line}
title = {quoted(title)}
seeds = {seeds}
keep_embeddings = 6  # validations that the Time tab of `proxy-bench demo` shows

[budgets.{quoted(dataset.name)}]
split = {quoted(dataset.split.protocol)}
backbone = {quoted(conditions.backbone)}
weights = {quoted(conditions.weights)}
frozen = "norm"  # batch normalisation keeps the statistics of pretraining
resize = 144  # pixels of the shorter side
crop = {CROP}
augmentation = "crop"  # anywhere in the picture, every second one mirrored
embedding_dim = {DIMENSIONS}
head_init = "pca"  # {head_comment(len(dataset.split.train))}
class_vectors_init = "class-means"  # of proxies, centers and classifier weights
batch_size = {batch_size(len(dataset.split.train))}
steps = {plan.steps}
evaluate_every = {plan.evaluate_every}
patience = {PATIENCE}  # validations without a better MAP@R, after which a run ends
optimizer = "adamw"
learning_rate = 1e-4
weight_decay = 1e-4

{methods}"""


def head_comment(images: int) -> str:
    """What a head of principal components is fitted on, and what else it has beside them."""
    of = "of the features of the training images"
    if images > DIMENSIONS:
        return of
    return f"{of}: {images} have at most {images - 1}, the other directions are arbitrary"


def with_seeds(text: str, seeds: list[int]) -> str | None:
    """A suite file with other seeds in its first line on seeds, or None if nobody but a person can
    change them alone: the file may have been edited."""
    changed = re.sub(r"^seeds *=.*$", f"seeds = {seeds}", text, count=1, flags=re.MULTILINE)
    try:
        same = tomllib.loads(changed) == tomllib.loads(text) | {"seeds": seeds}
    except tomllib.TOMLDecodeError:
        return None
    return changed if same else None


def method_text(name: str) -> str:
    """The table of one loss."""
    title, args = KNOWN.get(name, (name, {}))
    learns, random = batches_of(name)
    lines = [f"[methods.{quoted(title)}]", f"loss = {quoted(name)}"]
    if args:
        lines.append(f"args = {{ {', '.join(f'{key} = {value}' for key, value in args.items())} }}")
    if learns:
        lines.append("loss_learning_rate = 0.01")
    lines.append(f"samples_per_class = {quoted('random') if random else 4}")
    return "\n".join(lines) + "\n"


def batches_of(name: str) -> tuple[bool, bool]:
    """Whether a loss learns parameters of its own, and whether its batches are random: those of
    losses with class vectors are, unless they are composed of clusters."""
    from proxy_core.losses import LOSSES, ClusteredBatches, HasClassVectors

    loss = LOSSES[name](8, 8)
    random = isinstance(loss, HasClassVectors) and not isinstance(loss, ClusteredBatches)
    return any(True for _ in loss.parameters()), random


def quoted(text: str) -> str:
    """A text as TOML writes it."""
    return json.dumps(text, ensure_ascii=False)
