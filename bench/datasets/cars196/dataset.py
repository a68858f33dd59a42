"""Cars196: 16,185 photographs of 196 car models, in either of the two published layouts."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.datasets.files.photographs import Photographs
from bench.datasets.files.verify import changed, examine, find_place, require
from bench.datasets.files.work import Progress
from bench.datasets.source import Archive, Source
from bench.datasets.splits import class_disjoint, official
from bench.datasets.types import Dataset

CLASSES = 196
TRAINING, TESTING = 8_144, 8_041  # images of the official halves

# SHA-256 (hex) of class, part and box of every image in order of car_ims/, and of the class names.
CONTENT = "655ea49b6f57c32cf08367c6cbc755f6a1d28a46efe39999d996f2ef1d7204e9"

TRAINING_LIST = "devkit/cars_train_annos.mat"
LABELLED = "cars_test_annos_withlabels.mat"

# SHA-256 (hex) of the lists.
ANNOTATIONS = {
    "cars_annos.mat": "1cfb9206f1336038fc27c70a926e47d1c5d3ed0c870aec48cf5aa1b3880d42bf",
}
DEVKIT = {
    TRAINING_LIST: "1c1973dd828a2964060b0bbc0e423466393fe3001a3f8e303f41fbf22067dfb1",
    "devkit/cars_meta.mat": "fe43dfda289448f97c25b09e09fafc0414e22fc4143831537780884a0a5f4a1a",
}
LABELLED_DIGEST = "790f75be8ea34eeded134cc559332baf23e30e91367e9ddca97d26ed9b895f05"

_BOX = ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2")
_ADVICE = "`proxy-bench data download cars196` shows what to get"


@dataclass(frozen=True, eq=False)
class Lists:
    """The annotations in order of the images' numbers in car_ims/, and their folder.

    files: N photographs, relative to the folder; items: N, as car_ims/ names them; labels (N,)
    int64; testing (N,) bool; boxes (N, 4) int64, x1, y1, x2, y2 in pixels; class_names: C;
    published: SHA-256 (hex) of the published lists.
    """

    folder: Path
    files: tuple[str, ...]
    items: tuple[str, ...]
    labels: np.ndarray
    testing: np.ndarray
    boxes: np.ndarray
    class_names: tuple[str, ...]
    published: dict[str, str]

    @property
    def content(self) -> str:
        """SHA-256 (hex) of class, part and box of every image, and of the classes' names."""
        rows = np.column_stack((self.labels, self.testing, self.boxes)).astype("<i8")
        return hashlib.sha256(rows.tobytes() + "\n".join(self.class_names).encode()).hexdigest()


def load_cars196(root: Path | None, protocol: str) -> Dataset:
    """Load Cars196 from its annotations, without opening photographs.

    N = 16,185 in order of the number in car_ims/, which is also the item, in both layouts: car_ims/
    with cars_annos.mat, and cars_train/ with cars_test/ and devkit/. Protocol "class-disjoint":
    classes 1 to 98 train (8,054 images), every fifth of them validates; 99 to 196 test (8,131).
    Protocol "official": the two halves (8,144 / 8,041); every fifth image of each class of the
    first validates. Classes are numbered as published, which is not quite alphabetical.

    Raises: FileNotFoundError with the missing lists; ValueError for lists that are not as published
    and for re-packed copies.
    """
    lists = read_lists(root)
    if lists.content != CONTENT:
        raise ValueError(
            f"the annotations in {lists.folder} are not those published: a class, a box or a part "
            "differs; `proxy-bench data verify cars196` names the file"
        )
    return Dataset(
        name="cars196",
        images=Photographs(lists.folder, lists.files),
        labels=lists.labels,
        class_names=lists.class_names,
        items=lists.items,
        split=official(lists.labels, ~lists.testing)
        if protocol == "official"
        else class_disjoint(lists.labels, np.arange(4, 98, 5), test=np.arange(98, 196)),
    )


def check_cars196(root: Path | None, report: Progress) -> list[str]:
    """Compare annotations and names with the published ones; decode every photograph."""
    lists = read_lists(root)
    problems = changed(lists.folder, lists.published) + _mislabelled(lists)
    folders = {name.split("/")[0] for name in lists.files}
    return problems + examine(Photographs(lists.folder, lists.files), folders, report)


def _mislabelled(lists: Lists) -> list[str]:
    """Problems: images of another class than the ones before and after, which agree.

    The numbers in car_ims/ run through one class after the other.
    """
    before, label, after = lists.labels[:-2], lists.labels[1:-1], lists.labels[2:]
    found = 1 + np.flatnonzero((before == after) & (label != before))
    return [
        f"image {lists.items[i]} of car_ims/ is labelled {lists.labels[i] + 1} among images "
        f"of class {lists.labels[i - 1] + 1}"
        for i in found
    ]


def read_lists(root: Path | None) -> Lists:
    """Read the annotations of the layout under the data root.

    Raises: FileNotFoundError with the missing lists; ValueError for lists that cannot be read or
    were trimmed, and for re-packed copies.
    """
    folder = find_place("cars196", root, "cars196")
    if found := _repacked(folder):
        raise ValueError(found)
    separate = (folder / "cars_train").is_dir() and not (folder / "car_ims").is_dir()
    if (folder / "cars_annos.mat").is_file() and not separate:
        return _read_car_ims(folder)
    if (folder / "devkit").is_dir():
        return _read_devkit(folder)
    raise FileNotFoundError(
        f"cars196 is not complete: {folder} lacks the annotations: cars_annos.mat for car_ims/, or "
        "devkit/ for cars_train/ and cars_test/ (each numbers the photographs in its own way); "
        f"{_ADVICE}"
    )


def _repacked(folder: Path) -> str:
    """What a copy is that is not the official one; empty if it may be official."""
    own = (folder / "car_ims").is_dir() or (folder / "cars_train").is_dir()
    for place in (folder, folder / "car_data", folder / "car_data" / "car_data"):
        if (place / "train").is_dir() and not own:
            return (
                f"{place} is a re-packed copy: photographs sorted into train/ and test/ by class, "
                "without the official annotations (as stanford-car-dataset-by-classes-folder); "
                f"{_ADVICE}"
            )
    if (folder / "cars_train" / "cars_train").is_dir():
        return (
            f"{folder} is a re-packed copy (as stanford-cars-dataset): cars_train/ is inside "
            "cars_train/, and its cars_annos.mat numbers the photographs of car_ims/, not these; "
            f"move them up one folder and add the official devkit/; {_ADVICE}"
        )
    return ""


def _read_car_ims(folder: Path) -> Lists:
    """The layout of car_ims/ and cars_annos.mat."""
    path = folder / "cars_annos.mat"
    table = _read(path, "annotations", TRAINING + TESTING)
    files = _column(path, table, "relative_im_path", str)
    order = np.argsort(files)
    return Lists(
        folder=folder,
        files=tuple(files[order].tolist()),
        items=tuple(name.rsplit("/", 1)[-1] for name in files[order].tolist()),
        labels=_labels(path, table)[order],
        testing=_column(path, table, "test", int)[order] == 1,
        boxes=_boxes(path, table)[order],
        class_names=_class_names(path),
        published=ANNOTATIONS,
    )


def _read_devkit(folder: Path) -> Lists:
    """The layout of cars_train/, cars_test/ and devkit/."""
    require("cars196", folder, DEVKIT)
    labelled = _labelled(folder)
    first, second = folder / TRAINING_LIST, folder / labelled
    one, two = _read(first, "annotations", TRAINING), _read(second, "annotations", TESTING)
    files = [f"cars_train/{name}" for name in _column(first, one, "fname", str)]
    files += [f"cars_test/{name}" for name in _column(second, two, "fname", str)]
    labels = np.concatenate((_labels(first, one), _labels(second, two)))
    boxes = np.concatenate((_boxes(first, one), _boxes(second, two)))
    testing = np.arange(len(labels)) >= TRAINING
    numbers = _car_ims_numbers(files)
    order = np.argsort(numbers)
    return Lists(
        folder=folder,
        files=tuple(files[position] for position in order),
        items=tuple(f"{number:06d}.jpg" for number in numbers[order]),
        labels=labels[order],
        testing=testing[order],
        boxes=boxes[order],
        class_names=_class_names(folder / "devkit/cars_meta.mat"),
        published={**DEVKIT, labelled: LABELLED_DIGEST},
    )


def _car_ims_numbers(files: list[str]) -> np.ndarray:
    """The number (N,) from 1 that each photograph of cars_train/ and cars_test/ has in car_ims/.

    Class, part and box of the published annotations identify an image in both layouts, except for
    two test images of class 119 that share them, so that it does not matter which is which.
    """
    table = np.load(Path(__file__).with_name("car_ims_numbers.npy"))  # in order of ``names``
    names = [f"cars_train/{number:05d}.jpg" for number in range(1, TRAINING + 1)]
    names += [f"cars_test/{number:05d}.jpg" for number in range(1, TESTING + 1)]
    if sorted(files) != sorted(names):
        raise ValueError(
            f"devkit/ does not list the published files 00001.jpg and so on; {_ADVICE}"
        )
    known = dict(zip(names, table.tolist(), strict=True))
    return np.array([known[file] for file in files])


def _labelled(folder: Path) -> str:
    """Path of the labelled test list, which was published beside the devkit."""
    for place in (LABELLED, f"devkit/{LABELLED}"):
        if (folder / place).is_file():
            return place
    raise FileNotFoundError(
        f"cars196 is not complete: {LABELLED} is missing from {folder}; cars_test_annos.mat of the "
        f"devkit has no classes and does not replace it; {_ADVICE}"
    )


def _read(path: Path, variable: str, count: int) -> np.ndarray:
    """One variable of a .mat file, of which ``count`` rows are expected."""
    from scipy.io import loadmat

    try:
        found: np.ndarray = loadmat(path, squeeze_me=True, variable_names=[variable])[variable]
    except Exception as error:  # whatever a damaged file makes of the reader
        raise ValueError(f"{path} is damaged or has no {variable} ({error})") from error
    if found.shape != (count,):
        raise ValueError(
            f"{path} has {found.size:,} {variable}, published are {count:,}: a trimmed or extended "
            f"copy; {_ADVICE}"
        )
    return found


def _column(path: Path, table: np.ndarray, field: str, kind: type) -> np.ndarray:
    try:
        return np.array([kind(value) for value in table[field]])
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} has no usable {field} ({error})") from error


def _labels(path: Path, table: np.ndarray) -> np.ndarray:
    classes = _column(path, table, "class", int)
    if classes.min() < 1 or classes.max() > CLASSES:
        raise ValueError(f"{path}: classes are numbered 1 to {CLASSES}")
    return classes - 1


def _boxes(path: Path, table: np.ndarray) -> np.ndarray:
    return np.column_stack([_column(path, table, edge, int) for edge in _BOX])


def _class_names(path: Path) -> tuple[str, ...]:
    return tuple(map(str, _read(path, "class_names", CLASSES)))


CARS196 = Source(
    title="Cars196 (Stanford Cars)",
    description="16,185 photographs of 196 car models",
    licence="Photographs from the web, under their owners' copyright; the authors state no "
    "licence: for research only",
    citation="J. Krause, M. Stark, J. Deng, L. Fei-Fei, 3D Object Representations for Fine-Grained "
    "Categorization, 3dRR workshop at ICCV 2013, https://doi.org/10.1109/ICCVW.2013.77",
    homepage="https://ai.stanford.edu/~jkrause/cars/car_dataset.html",
    fingerprints={
        "class-disjoint": "72219d77f99d23531d5d0977bc8c4b2f43ead8a9bdbf0d60eff40ec5410e8ffb",
        "official": "55c5964687048ee38534cdcb06abab2831b2db61beed0a42df86d91aa7a9d236",
    },
    load=load_cars196,
    check=check_cars196,
    photographs=True,
    by_hand="The authors' page, https://ai.stanford.edu/~jkrause/cars/car_dataset.html, has not "
    "answered since 2023 (https://github.com/pytorch/vision/issues/7545): ask colleagues for their "
    "copy. Put car_ims.tgz (1.9 GB) at cars196/car_ims.tgz and cars_annos.mat at "
    "cars196/cars_annos.mat under the data root. Of the other layout put the unpacked cars_train/, "
    "cars_test/ and devkit/ and cars_test_annos_withlabels.mat into cars196/; nothing is to be "
    "unpacked then, check with `proxy-bench data verify cars196`.",
    archives=(
        Archive(
            path="cars196/cars_annos.mat",
            checksum="md5:b407c6086d669747186bd1d764ff9dbc",
            into="cars196/cars_annos.mat",
        ),
        Archive(
            path="cars196/car_ims.tgz",
            checksum="md5:d5c8f0aa497503f355e17dc7886c3f14",
            into="cars196/car_ims",
        ),
    ),
)
