"""What a data set is once loaded: images, labels, names and a split, checked to fit together."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from bench.datasets.files.photographs import Photographs
from bench.datasets.files.work import Report
from bench.datasets.images import ArrayImages, DecodedPhotographs, FeatureImages
from bench.datasets.splits import SHARING, OneShot, Split
from bench.suggest import first_names
from proxy_core.metrics import JUNK

Images = ArrayImages | Photographs | DecodedPhotographs | FeatureImages
# Pairs of parts that share no image and, but for the protocols of SHARING, no class.
_DISJOINT = (
    ("train", "validation"),
    ("train", "query"),
    ("train", "gallery"),
    ("validation", "query"),
    ("validation", "gallery"),
)
JUNK_NAME = "junk"


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set that checks itself when it is made.

    images: N; photographs must be prepared before their pixels are read; labels (N,) int64,
    0..C-1 over the whole data set, or -1 for junk in the gallery; class_names: C readable names by
    label; items: N unique relative names, POSIX style. Where the data set has them: cameras (N,)
    int64, -1 where unknown; coarse: the coarse class of each class, C names; one_shot. own_split:
    the data set's own split, where other classes validate than in it.
    Raises ValueError, naming classes and items, where any of this does not hold, where training
    and test share an image, where the gallery lacks a query's class, or where a split shares
    classes between training, validation and test though its protocol is not in `SHARING`.
    """

    name: str
    images: Images
    labels: np.ndarray
    class_names: tuple[str, ...]
    items: tuple[str, ...]
    split: Split
    cameras: np.ndarray | None = None
    coarse: tuple[str, ...] | None = None
    one_shot: OneShot | None = None
    own_split: Split | None = None

    def __post_init__(self) -> None:
        # Later checks rely on earlier ones.
        for check in (_array_problems, _name_problems, _position_problems, _class_problems):
            for problem in check(self):
                raise ValueError(f"{self.name}: {problem}")

    def prepare(
        self,
        resize: int | None,
        crop: int | None,
        report: Report,
        interpolation: str = "bilinear",
    ) -> "Dataset":
        """The data set with images that can be read; small images in memory are as they were.

        resize: shorter side in pixels at which photographs are decoded, once; crop: side of the
        square that the network sees; interpolation: "bilinear" or "bicubic". Raises what
        `Photographs.prepare` raises.
        """
        if not isinstance(self.images, Photographs):
            return self
        images = self.images.prepare(self.name, resize, crop, report, interpolation)
        return replace(self, images=images)

    @property
    def pixels(self) -> np.ndarray:
        """All images without augmentation: (N, H, W) or (N, H, W, 3) uint8."""
        return self.images.batch(np.arange(len(self.items)))

    @property
    def training_classes(self) -> int:
        """How many classes are trained on."""
        return len(np.unique(self.labels[self.split.train]))

    @property
    def trained_queries(self) -> np.ndarray:
        """Whether the class of each query (Q,) is trained."""
        known: np.ndarray = np.isin(self.labels[self.split.query], self.labels[self.split.train])
        return known

    @property
    def has_own_gallery(self) -> bool:
        """Whether queries are searched in another gallery than among each other."""
        return not np.array_equal(self.split.query, self.split.gallery)

    @property
    def searched(self) -> np.ndarray:
        """Positions (G,) of the gallery without junk."""
        gallery = self.split.gallery
        known: np.ndarray = gallery[self.labels[gallery] != JUNK]
        return known

    @property
    def test_positions(self) -> np.ndarray:
        """Positions (N,) of the queries, then of the other gallery images without junk: the images
        that are embedded and shown."""
        rest = self.searched[~np.isin(self.searched, self.split.query)]
        return np.concatenate([self.split.query, rest])

    @property
    def validation_cameras(self) -> np.ndarray | None:
        """The cameras (V,) of the validation images if the camera rule holds: all are known, and
        some class has two. Otherwise None."""
        positions = self.split.validation
        if self.cameras is None or (self.cameras[positions] < 0).any():
            return None
        seen = np.stack([self.labels[positions], self.cameras[positions]])
        several = len(np.unique(seen, axis=1).T) > len(np.unique(seen[0]))
        return self.cameras[positions] if several else None

    def class_of(self, position: int) -> str:
        """The class name of one image; `JUNK_NAME` for junk."""
        label = int(self.labels[position])
        return JUNK_NAME if label == JUNK else self.class_names[label]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of which item is in which part under which class name, and of the camera
        of each item if there are cameras; of the data set's own split, if other classes validate.

        Independent of pixels, and of the order of items within a part.
        """
        return self.digest_of(self.own_split or self.split)

    @property
    def drawn_fingerprint(self) -> str | None:
        """What `fingerprint` would be of the split as it is, if other classes validate than in the
        data set's own."""
        return self.digest_of(self.split) if self.own_split else None

    def digest_of(self, split: Split) -> str:
        """The fingerprint of a split of these items."""
        lists: list[list[object]] = [
            [part, sorted(map(self._identity, positions))]
            for part, positions in split.parts().items()
        ]
        if self.cameras is not None:
            seen = zip(self.items, self.cameras.tolist(), strict=True)
            lists.append(["cameras", sorted(map(list, seen))])
        return hashlib.sha256(json.dumps(lists).encode()).hexdigest()

    def _identity(self, position: int) -> list[str]:
        """An item with its class. Only a class that is called junk is marked, to differ from junk:
        the pinned fingerprints have neither mark."""
        name = self.class_of(position)
        is_class = name == JUNK_NAME and self.labels[position] != JUNK
        return [self.items[position], name, "class"] if is_class else [self.items[position], name]

    @property
    def checksum(self) -> str:
        """SHA-256 (hex) of every image's name and content, sorted by name.

        Independent of the split and of the class names. The content is the pixels of an image in
        memory, and the file of a photograph.
        """
        return self.images.checksum


def _array_problems(dataset: Dataset) -> Iterator[str]:
    count, labels, cameras = len(dataset.images), dataset.labels, dataset.cameras
    if labels.dtype != np.int64 or labels.ndim != 1:
        yield f"labels must be (N,) int64, found {labels.shape} {labels.dtype}"
    if not count == len(labels) == len(dataset.items):
        found = f"{count} images, {len(labels)} labels and {len(dataset.items)} items"
        yield f"{found}; give one of each per image"
    if cameras is not None and len(cameras) != count:
        yield f"{len(cameras)} cameras for {count} images; give one per image"


def _name_problems(dataset: Dataset) -> Iterator[str]:
    for kind, names in (("item", dataset.items), ("class name", dataset.class_names)):
        if repeated := [name for name, count in Counter(names).items() if count > 1]:
            yield f"{kind} occurs more than once: {first_names(repeated)}"
    used, known = set(dataset.labels.tolist()) - {JUNK}, set(range(len(dataset.class_names)))
    if used - known:
        labels = first_names(map(str, used - known))
        yield f"label {labels} has no class name; there are {len(known)} class names"
    if known - used:
        unused = first_names(dataset.class_names[label] for label in known - used)
        yield f"class without an image: {unused}"


def _position_problems(dataset: Dataset) -> Iterator[str]:
    parts, count = dataset.split.parts(), len(dataset.items)
    for part, positions in parts.items():
        if positions.dtype != np.int64 or positions.ndim != 1 or len(positions) == 0:
            found = f"{positions.shape} {positions.dtype}"
            yield f"{part} must be (n,) int64 with n > 0, found {found}"
        if positions.min() < 0 or positions.max() >= count:
            yield f"{part} points outside 0..{count - 1}"
        if len(np.unique(positions)) < len(positions):
            yield f"{part} lists an image more than once"
    for one, other in _DISJOINT:
        if len(shared := np.intersect1d(parts[one], parts[other])):
            found = first_names(dataset.items[i] for i in shared)
            yield f"{one} and {other} share the images {found}"


def _class_problems(dataset: Dataset) -> Iterator[str]:
    parts, protocol = dataset.split.parts(), dataset.split.protocol
    for part in ("train", "validation", "query"):
        if JUNK in dataset.labels[parts[part]]:
            yield f"{part} holds junk, which only a gallery may"
    labels = {part: set(dataset.labels[found].tolist()) for part, found in parts.items()}
    if missing := labels["query"] - labels["gallery"]:
        names = first_names(dataset.class_names[label] for label in missing)
        yield f"query classes missing from the gallery: {names}"
    if single := _without_positive(dataset):
        yield (
            "the only test image of its class, so nothing can be found for it: "
            f"{first_names(single)}; add images of these classes or take them out of the test"
        )
    for one, other in _DISJOINT:
        shared = labels[one] & labels[other]
        if shared and protocol not in SHARING:
            names = first_names(dataset.class_names[label] for label in shared)
            found = f"{one} and {other} share the classes {names}"
            yield f"{found}, which the {protocol} protocol forbids"


def _without_positive(dataset: Dataset) -> list[str]:
    """Queries that are the only image of their class in the gallery."""
    query, gallery = dataset.split.query, dataset.split.gallery
    found = np.bincount(dataset.labels[gallery] + 1, minlength=len(dataset.class_names) + 1)
    others = found[dataset.labels[query] + 1] - np.isin(query, gallery)
    return [dataset.items[i] for i in query[others == 0]]
