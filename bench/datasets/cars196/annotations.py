"""Cars196's annotations in both published layouts, read and brought to one order."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.datasets.files.verify import find_place, require

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
_ADVICE = "`proxy-bench data download cars196` says what to get from where"


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


def read_lists(root: Path | None) -> Lists:
    """Read the annotations of the layout under the data root.

    Raises: FileNotFoundError with the missing lists; ValueError for lists that cannot be read or
    were trimmed, and for re-packed copies.
    """
    folder = find_place("cars196", root, "cars196")
    if found := _repacked(folder):
        raise ValueError(found)
    apart = (folder / "cars_train").is_dir() and not (folder / "car_ims").is_dir()
    if (folder / "cars_annos.mat").is_file() and not apart:
        return _read_together(folder)
    if (folder / "devkit").is_dir():
        return _read_apart(folder)
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
            f"{folder} is a re-packed copy (as stanford-cars-dataset): cars_train/ lies inside "
            "cars_train/, and its cars_annos.mat numbers the photographs of car_ims/, not these; "
            f"move them up one folder and add the official devkit/; {_ADVICE}"
        )
    return ""


def _read_together(folder: Path) -> Lists:
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


def _read_apart(folder: Path) -> Lists:
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
