"""What photographs look like once decoded: empty ones, and one picture in several files."""

import hashlib
import io
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from bench.datasets.files.cache import cached
from bench.datasets.files.cut import is_cut
from bench.datasets.files.decode import FORMATS
from bench.datasets.files.deep import is_deep, is_undeclared
from bench.datasets.files.photographs import OpenPlace, Photographs
from bench.datasets.files.work import Progress, cores, on_all_cores, quiet

ONE_COLOUR = 16  # of 256: the values of each colour are nearer to each other in an empty picture
SIDE = 32  # of the grey picture by which others are compared
DOUBTS = [  # by which a picture alone is doubtful
    ("plain", "?"),  # almost one colour
    ("cut", "?"),  # its end is missing
    ("pictures", "u4"),  # in the file; the first is used
    ("undeclared", "?"),  # of 16 bits, or fewer if its values are smaller
    ("brightest", "u1"),
]
LOOK = np.dtype(
    [
        *DOUBTS,
        ("digest", "u1", 32),  # of size and pixels
        ("grey", "u1", (SIDE, SIDE)),  # means of cells
    ]
)
# By how much of 256 the means of nearly equal pictures may differ, in 16 x 16 and in 32 x 32 cells.
# JPEG of quality 30 changes them by 5.5 and 11.5 at most. The nearest two of the 5,421 photographs
# of Grocery Store differ by 15; drawings of Braille need the finer cells.
NEAR, NEAR_FINE = 6, 12
CONTRAST = 32  # of 256 between two cells, in pictures that are compared: fine textures have less
_SUBFILE, _NOT_FULL = 254, 1 | 4  # a tag of TIFF, and its bits of smaller copies and masks
NEAREST = 4  # pictures that are compared with one, which is among them


def look_at(photographs: Photographs, report: Progress) -> tuple[list[str], np.ndarray]:
    """Decode photographs.

    Returns: problems of those that cannot be read or decoded, in order; and the looks (N,) of the
    others, zero for these. Raises: ValueError if the archive cannot be opened.
    """
    problems = []
    looks = np.zeros(len(photographs), LOOK)
    with photographs.opened() as place:
        found = on_all_cores(partial(_look, photographs, place), range(len(photographs)))
        for position, look in enumerate(found):
            if isinstance(look, str):
                problems.append(look)
            else:
                looks[position] = look
            report(position + 1, len(photographs))
    if not problems:
        _stored(photographs, looks)
    return problems, looks


def looks_of(photographs: Photographs) -> np.ndarray:
    """The looks (N,) that `look_at` has stored, or what it finds.

    Raises: ValueError with the first photograph that cannot be decoded.
    """
    return _stored(photographs, None)


def _stored(photographs: Photographs, looks: np.ndarray | None) -> np.ndarray:
    """Looks from the cache, which gets them where it has none."""

    def make() -> np.ndarray:
        if looks is not None:
            return looks
        problems, found = look_at(photographs, lambda done, total: None)
        if problems:
            raise ValueError(problems[0])
        return found

    settings = {"pixels": photographs.cache_key(photographs.digests(quiet)), "look": str(LOOK)}
    return cached("looks", settings, make)


def _look(photographs: Photographs, place: OpenPlace, position: int) -> str | tuple[object, ...]:
    """The problem of a photograph, or its look."""
    try:
        data = place.read(photographs.names[position])
        photograph = photographs.decoded(position, data)
    except ValueError as error:
        return str(error)
    digest = hashlib.sha256(str(photograph.size).encode() + photograph.tobytes()).digest()
    grey = photograph.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    return *doubts_of(data, photograph), np.frombuffer(digest, np.uint8), np.asarray(grey)


def doubts_of(data: bytes, photograph: Image.Image) -> tuple[object, ...]:
    """The `DOUBTS` of a photograph; data, its file."""
    extrema = photograph.getextrema()  # of each channel; numpy takes fifteen times as long
    ranges = extrema if isinstance(extrema[0], tuple) else (extrema,)
    plain = all(high - low < ONE_COLOUR for low, high in ranges)
    return plain, *_file(data, np.asarray(photograph)), max(high for _, high in ranges)


def _file(data: bytes, pixels: np.ndarray) -> tuple[bool, int, bool]:
    """Of the file of a photograph that decodes to pixels (H, W, 3): whether it is cut, its number
    of pictures, whether it is of 16 bits that may be fewer."""
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        deep = is_deep(image)
        if deep:
            image.load()
        undeclared = deep and is_undeclared(image)
        return is_cut(data, image, pixels), pictures_in(image), undeclared


def pictures_in(image: Image.Image) -> int:
    """How many pictures of full size a file holds: pages of a TIFF, else of an animation; 1 where
    the further ones cannot be read."""
    if image.format in ("JPEG", "MPO"):  # to which cameras add previews
        return 1
    with suppress(Exception):
        return sum(_is_full(image, number) for number in range(getattr(image, "n_frames", 1)))
    return 1


def _is_full(image: Image.Image, number: int) -> bool:
    """Whether a page is neither a smaller copy of another nor a mask; an animation has neither."""
    if image.format != "TIFF":
        return True
    image.seek(number)
    return not image.tag_v2.get(_SUBFILE, 0) & _NOT_FULL  # type: ignore[attr-defined]


def same_picture(looks: np.ndarray) -> np.ndarray:
    """Of looks (N,), a number (N,) that those of equal or nearly equal pictures share.

    Nearly equal are copies that were saved again, most also after a change of size; not those that
    were cropped, mirrored or turned.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    _, first, which = np.unique(looks["digest"], axis=0, return_index=True, return_inverse=True)
    left, right = _near(looks["grey"][first])
    pairs = coo_array((np.ones(len(left)), (left, right)), shape=(len(first), len(first)))
    groups: np.ndarray = connected_components(pairs, directed=False)[1][which]
    return groups


def _near(grey: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of positions of nearly equal pictures (N, 32, 32)."""
    from scipy.spatial import KDTree

    cells = cells_of(grey)
    rich = np.flatnonzero(np.ptp(cells, axis=1) >= CONTRAST)
    if not rich.size:
        return rich, rich
    found: Any = KDTree(cells[rich]).query(
        cells[rich], k=NEAREST, p=np.inf, distance_upper_bound=NEAR, workers=cores()
    )
    distances, others = found  # infinite distances to nothing, where fewer are near
    rows, columns = np.nonzero(np.isfinite(distances))
    left, right = rich[rows], rich[others[rows, columns]]
    gaps = np.abs(grey[left].astype(np.int16) - grey[right]).max(axis=(1, 2))
    return left[gaps <= NEAR_FINE], right[gaps <= NEAR_FINE]


def nearly_equal(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Whether pictures are nearly equal, as `same_picture` has it, pair by pair.

    left and right (N, 32, 32): grey, as in `LOOK`.
    """
    cells, others = cells_of(left), cells_of(right)
    rich = np.minimum(np.ptp(cells, axis=1), np.ptp(others, axis=1)) >= CONTRAST
    near = np.abs(cells - others).max(axis=1) <= NEAR
    fine = np.abs(left.astype(np.int16) - right).max(axis=(1, 2)) <= NEAR_FINE
    return np.asarray(rich & near & fine)


def cells_of(grey: np.ndarray) -> np.ndarray:
    """Means (N, 256) of the cells of grey pictures (N, 32, 32)."""
    halves = grey.reshape(len(grey), SIDE // 2, 2, SIDE // 2, 2)
    cells: np.ndarray = halves.mean(axis=(2, 4)).reshape(len(grey), -1)
    return cells
