"""`proxy-bench embed`: embeddings of a user's images by the network that a run stored."""

import csv
import io
import os
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path, PurePath
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from bench.datasets.files.decode import decode
from bench.datasets.files.looks import DOUBTS, doubts_of
from bench.datasets.files.photographs import LARGEST_FILE
from bench.datasets.files.prepare import CUT, prepare, whole_note
from bench.datasets.files.verify import is_image
from bench.datasets.files.work import Report, on_all_cores
from bench.datasets.folder.pictures import picture_problems
from bench.datasets.folder.rows import NAME as LIST
from bench.datasets.folder.rows import NO_CAMERA, as_parts, files, read_images
from bench.suggest import first_names
from bench.temporary import atomic
from bench.training.inputs import channels_first, to_input
from bench.training.loop import deterministic
from bench.training.stored_model import StoredModel

KINDS = (".npy", ".parquet")
BATCH = 32  # images that are decoded and embedded at a time
SHOWN = 20  # problems that are listed
BOXES = "bounding_boxes.txt"  # beside the photographs of the data set that is cut


class Named(NamedTuple):
    """An image file: its path, and its class, which is that of a list, else the folder within a
    given folder or one of several given folders, empty if there is none; the camera of a list."""

    path: Path
    label: str = ""
    camera: int = NO_CAMERA


class Input(NamedTuple):
    """What the network sees of an image file, and the `DOUBTS` of the whole picture."""

    pixels: np.ndarray
    doubts: tuple[object, ...]


def check_output(output: Path, images: Sequence[Named]) -> None:
    """Raise ValueError for a file that embeddings of images are not written to."""
    if output.suffix not in KINDS:
        raise ValueError(f"-o is {output}: expected a name that ends in {' or '.join(KINDS)}")
    if output.suffix == ".parquet" and find_spec("pyarrow") is None:
        raise ValueError(
            f"{output} needs pyarrow; pip install 'proxy-bench[parquet]', or name a .npy file"
        )
    array, *names = written(output)
    for path in (array, *names):
        # A kill between the two files leaves the names without their array.
        if path.exists() and (path == array or path.read_bytes() != names_csv(images)):
            raise ValueError(f"{path} exists; delete it or name another file")
    if not output.absolute().parent.is_dir():
        raise ValueError(f"-o is {output}: the folder {output.absolute().parent} does not exist")


def written(output: Path) -> list[Path]:
    """The files that are written: beside an array the names of its rows."""
    return [output, output.with_suffix(".csv")] if output.suffix == ".npy" else [output]


def find_images(places: Sequence[Path], *, by_lists: bool = True) -> tuple[list[Named], list[str]]:
    """Every image in and below the folders, or, `by_lists`, that their lists name, and every file
    among `places`, in order; and notes on what folders hold beside them.

    Raises: ValueError without an image, for an image that is named twice, or as `files` and
    `read_list`; FileNotFoundError for a missing one.
    """
    found, notes = [], []
    foldered: set[str] = set()  # classes that only folders name
    classes = len(places) > 1 and all(place.is_dir() for place in places)
    for place in places:
        if not place.exists():
            raise FileNotFoundError(f"{place} does not exist")
        if not place.is_dir():
            found.append(Named(place))
            continue
        names = files(place)
        images = [name for name in names if is_image(name)]
        if by_lists and (place / LIST).is_file():
            named, note = listed(place, images)
            found += named
            notes.append(note)
            continue
        own = place.resolve().name if classes else ""  # folders of one class each
        named = [Named(place / name, label_of(name) or own) for name in images]
        found, foldered = found + named, foldered | {image.label for image in named}
        others = Counter(PurePath(name).suffix or "no suffix" for name in set(names) - set(images))
        if others:
            kinds = ", ".join(f"{kind} {count:,}" for kind, count in others.most_common())
            notes.append(f"{place}: {others.total():,} files that are not images ({kinds})")
    if not found:
        raise ValueError(f"no image in {', '.join(map(str, places))}")
    check_once(image.path for image in found)
    if any(image.camera != NO_CAMERA for image in found) and not has_cameras(found):
        notes.append("left out: the cameras, which some images lack")
    if parts := as_parts(foldered):
        notes.append(
            f"the folders {parts} are parts of a data set, so their names are not written as "
            "labels; if they hold a folder for each class, name each part itself"
        )
        found = [Named(image.path) for image in found]
    return found, notes


def listed(folder: Path, images: Sequence[str]) -> tuple[list[Named], str]:
    """The images that the list of a folder names, and a note on the list; images, all that the
    folder holds."""
    rows = sorted(read_images(folder), key=lambda row: row.path)
    named = [Named(folder / row.path, row.label, row.camera) for row in rows if not row.junk]
    others = sorted(set(images) - {row.path for row in rows})
    left_out = {"not listed": others, "listed as junk": [row.path for row in rows if row.junk]}
    said = [
        f"{len(those):,} {why} ({first_names(those)})" for why, those in left_out.items() if those
    ]
    note = f"{folder}: {len(named):,} images and their labels are those of {LIST}"
    return named, f"{note}; left out: {', '.join(said)}" if said else note


def check_once(paths: Iterable[Path]) -> None:
    """Raise ValueError for a file that is named twice, in one way or another."""
    seen: dict[str, Path] = {}
    for path in paths:
        place = os.path.join(os.path.realpath(path.parent), path.name)
        if (other := seen.setdefault(place, path)) is not path:
            also = "" if str(other) == str(path) else f" and {other} are one image, which"
            raise ValueError(f"{path}{also} is named twice; name every image once")


def check_whole(model: StoredModel, images: Sequence[Named]) -> list[str]:
    """A note on what the network saw and is not seen here: the parts of photographs in boxes.

    Raises: ValueError for photographs of the data set itself, whose boxes are known.
    """
    if model.spec.dataset != CUT:
        return []
    for image in images:
        if any((folder / BOXES).exists() for folder in image.path.absolute().parents):
            raise ValueError(
                f"{image.path} is a whole photograph, and the run saw those of {CUT} cut to their "
                f"boxes ({BOXES}): embed cut pictures, or use a run on cub200"
            )
    return [whole_note(CUT)]


def seen_note(model: StoredModel) -> str:
    """What scores of the images of a run itself would mean; empty without training."""
    if not model.spec.steps:
        return ""
    return (
        f"note    the run trained on images of {model.spec.dataset}: with them, or others of their "
        "classes, scores are not those of a test"
    )


def label_of(name: str) -> str:
    """The first folder of a path, which is the class in a folder of classes."""
    folder, _, rest = name.partition("/")
    return folder if rest else ""


def embed_images(
    model: StoredModel, images: Sequence[Named], report: Report
) -> tuple[np.ndarray, list[str]]:
    """Embeddings (N, D) float32, prepared as the run's test images were; and what is doubtful about
    the pictures, as `data verify` names it.

    Raises: ValueError naming the images that cannot be used, once all of them were read.
    """
    parts: list[np.ndarray] = []
    problems: list[str] = []
    doubts: list[tuple[object, ...]] = []

    def read(image: Named) -> Input | str:
        try:
            return read_input(model, image.path)
        except (ValueError, OSError) as error:
            return str(error)

    with warnings.catch_warnings(), deterministic():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        for start in range(0, len(images), BATCH):
            report("embedding", start, len(images))
            found = list(on_all_cores(read, images[start : start + BATCH]))
            problems += [item for item in found if isinstance(item, str)]
            inputs = [item for item in found if not isinstance(item, str)]
            if not problems:  # else only the other problems are still of use
                parts.append(embed_batch(model, np.stack([item.pixels for item in inputs])))
                doubts += [item.doubts for item in inputs]
    report("embedding", len(images), len(images))
    if problems:
        listed = "".join(f"\n  {problem}" for problem in problems[:SHOWN])
        more = f"\n  and {len(problems) - SHOWN:,} more" if len(problems) > SHOWN else ""
        raise ValueError(
            f"{len(problems):,} of {len(images):,} images cannot be used, so nothing was written; "
            f"mend or remove them:{listed}{more}"
        )
    names = [str(image.path) for image in images]
    return np.concatenate(parts), picture_problems(names, np.array(doubts, DOUBTS))


@torch.inference_mode()
def embed_batch(model: StoredModel, pixels: np.ndarray) -> np.ndarray:
    """Embeddings (B, D) float32 of bytes (B, H, W) or (B, H, W, 3)."""
    images = to_input(channels_first(pixels), next(model.network.parameters()).device)
    embeddings: np.ndarray = model.network(images).float().cpu().numpy()
    return embeddings


def network_input(model: StoredModel, path: Path) -> np.ndarray:
    """The pixels of `read_input`, for users of an exported network: model cards name it."""
    return read_input(model, path).pixels


def read_input(model: StoredModel, path: Path) -> Input:
    """One image file as `prepare` gives it; raises ValueError or OSError if it cannot be read."""
    if (size := path.stat().st_size) > LARGEST_FILE:
        raise ValueError(f"{path} has {size:,} bytes, more than the {LARGEST_FILE:,} that are read")
    image = decode(str(path), data := path.read_bytes())
    pixels = prepare(str(path), image, model.spec, model.side, model.channels)
    return Input(pixels, doubts_of(data, image))


def write_embeddings(output: Path, images: Sequence[Named], embeddings: np.ndarray) -> None:
    """Write the array and the names of its rows, or a table with both.

    Columns: `path`; `label` and `camera`, if all images have one; of a table `e0` to the last
    dimension.
    """
    if output.suffix == ".parquet":
        import pandas as pd

        table = pd.DataFrame(embeddings, columns=[f"e{n}" for n in range(embeddings.shape[1])])
        for position, (name, values) in enumerate(columns(images).items()):
            table.insert(position, name, values)
        with atomic(output) as temporary:
            table.to_parquet(temporary, index=False)
        return
    array, names = written(output)
    with atomic(array) as temporary, atomic(names) as beside:
        with temporary.open("wb") as file:
            np.save(file, embeddings)
        beside.write_bytes(names_csv(images))


def names_csv(images: Sequence[Named]) -> bytes:
    """The names of the rows of an array, as CSV."""
    named, text = columns(images), io.StringIO(newline="")
    csv.writer(text).writerows([list(named), *zip(*named.values(), strict=True)])
    return text.getvalue().encode()


def columns(images: Sequence[Named]) -> dict[str, list[str]]:
    """The path of each image and, if all have one, its class and its camera."""
    found = {"path": [image.path.as_posix() for image in images]}
    if all(image.label for image in images):
        found["label"] = [image.label for image in images]
    if has_cameras(images):
        found["camera"] = [str(image.camera) for image in images]
    return found


def has_cameras(images: Sequence[Named]) -> bool:
    """Whether the camera of every image is known."""
    return all(image.camera != NO_CAMERA for image in images)
