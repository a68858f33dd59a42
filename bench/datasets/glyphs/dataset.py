"""Glyphs: letters of five scripts, rendered from the twelve DejaVu faces inside matplotlib."""

import csv
import hashlib
import unicodedata
from pathlib import Path

import numpy as np

from bench.datasets.files.cache import cached
from bench.datasets.files.work import Progress
from bench.datasets.glyphs import rendering
from bench.datasets.images import ArrayImages
from bench.datasets.source import Source
from bench.datasets.splits import Split, class_disjoint, split_by_masks
from bench.datasets.types import Dataset

FACES = (
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSans-Oblique",
    "DejaVuSans-BoldOblique",
    "DejaVuSansMono",
    "DejaVuSansMono-Bold",
    "DejaVuSansMono-Oblique",
    "DejaVuSansMono-BoldOblique",
    "DejaVuSerif",
    "DejaVuSerif-Bold",
    "DejaVuSerif-Italic",
    "DejaVuSerif-BoldItalic",
)
VALIDATION_FACES = ("DejaVuSansMono-BoldOblique",)
TEST_FACES = FACES[8:]  # the Serif ones
TRAIN_SCRIPTS = ("LATIN", "GREEK")
TEST_SCRIPTS = ("CYRILLIC", "ARMENIAN", "GEORGIAN")
RENDERINGS = 2  # of each letter in each face
LEFT_OUT = Path(__file__).with_name("left_out.csv")


def load_glyphs(root: Path | None, protocol: str) -> Dataset:
    """Load the rendered letters: Latin and Greek train, Cyrillic, Armenian and Georgian test.

    Images (22392, 28, 28) uint8, white ink on black; 933 classes of 24 images, of which 715 train
    and 218 test. Every fifth training class, by code point, validates. Under "official" whole
    typefaces test instead, see ``_by_faces``. ``root`` is not used.

    A class is a letter, and no two classes have the same shape but for size and stroke in any face:
    of 1,378 letters, 445 have the shape of another one that is kept and are left out, such as small
    forms that look like their capitals, and Latin A, which looks like the Cyrillic one. `shapes.py`
    measures this. An oracle that sees clean drawings, and to which equal shapes of a face are a tie
    (which counts against it), would reach R@1 76.1 % on the class-disjoint and 72.1 % on the
    official test with all letters; with those that are kept it reaches 100 %. Jitter and the few
    pixels of a picture may still hide what distinguishes two letters, above all small marks.
    Pixels may differ between versions of Pillow and FreeType; the split does not.
    """
    code_points = letters()
    names = [unicodedata.name(chr(code_point)) for code_point in code_points]
    labels = np.repeat(np.arange(len(code_points)), len(FACES) * RENDERINGS)
    items = tuple(
        f"{code_point:04X}/{face}-{i}"
        for code_point in code_points
        for face in FACES
        for i in range(RENDERINGS)
    )
    tests = np.array([name.startswith(TEST_SCRIPTS) for name in names])
    pixels = cached("glyphs", _settings(code_points), lambda: render(code_points))
    return Dataset(
        name="glyphs",
        images=ArrayImages(pixels, items),
        labels=labels,
        class_names=tuple(f"{chr(c)} {name}" for c, name in zip(code_points, names, strict=True)),
        items=items,
        split=_by_faces(len(labels))
        if protocol == "official"
        else class_disjoint(labels, np.flatnonzero(~tests)[4::5], np.flatnonzero(tests)),
    )


def _by_faces(count: int) -> Split:
    """Split N images by typefaces: all letters are in every part, each in faces of its own.

    Seven faces train, the bold oblique monospaced one validates, the four with serifs test. The
    fonts come without a split: this one is the suite's own.
    """
    faces = np.array(FACES)[np.arange(count) // RENDERINGS % len(FACES)]
    return split_by_masks("official", np.isin(faces, VALIDATION_FACES), np.isin(faces, TEST_FACES))


def letters(*, every: bool = False) -> list[int]:
    """Code points, in order, of the letters of the scripts that all twelve faces draw.

    Those of `left_out.csv`, whose shape another letter has, are left out unless ``every``.
    A letter of a script has Unicode category L* and a name that begins with the script's name.
    DejaVu 2.37 predates the Unicode of every supported Python, and names never change, so the
    result does not depend on the version of Python.
    """
    from matplotlib.ft2font import FT2Font

    left_out = set() if every else {letter for letter, _, _ in left_out_letters()}
    shared = set.intersection(*(set(FT2Font(str(font_path(face))).get_charmap()) for face in FACES))
    return sorted(
        code_point
        for code_point in shared - left_out
        if unicodedata.category(chr(code_point)).startswith("L")
        and unicodedata.name(chr(code_point)).startswith(TRAIN_SCRIPTS + TEST_SCRIPTS)
    )


def left_out_letters() -> list[tuple[int, int, int]]:
    """Code points of the letters that are left out and of the kept letters whose shape they have,
    and in how many of the twelve faces they have it; `shapes.py` measured this."""
    with LEFT_OUT.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [(int(r["left_out"], 16), int(r["kept"], 16), int(r["faces"])) for r in rows]


def render(code_points: list[int]) -> np.ndarray:
    """Draw every letter in every face; (C * 24, 28, 28) uint8, letters outermost, then faces."""
    faces = [
        np.stack(list(rendering.render_face(font_path(face), face, code_points, RENDERINGS)))
        for face in FACES
    ]
    size = rendering.SIZE
    by_face = np.stack(faces).reshape(len(FACES), len(code_points), RENDERINGS, size, size)
    return np.ascontiguousarray(by_face.swapaxes(0, 1)).reshape(-1, size, size)


def check_glyphs(root: Path | None, report: Progress) -> list[str]:
    """Render every letter again and compare with the loaded images."""
    dataset = load_glyphs(root, "class-disjoint")
    report(0, len(dataset.items))
    fresh = render(letters())
    report(len(dataset.items), len(dataset.items))
    different = np.flatnonzero((fresh != dataset.pixels).any(axis=(1, 2)))
    return [f"glyphs: {dataset.items[i]} differs from a fresh rendering" for i in different]


def font_path(face: str) -> Path:
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{face}.ttf"


def _settings(code_points: list[int]) -> dict[str, object]:
    """Everything that can change a pixel."""
    from PIL import __version__, features

    return {
        "code points": code_points,
        "faces": [
            [face, hashlib.sha256(font_path(face).read_bytes()).hexdigest()] for face in FACES
        ],
        "renderings": RENDERINGS,
        "code": hashlib.sha256(Path(rendering.__file__).read_bytes()).hexdigest(),
        "pillow": __version__,
        "freetype": features.version("freetype2"),
    }


GLYPHS = Source(
    title="Glyphs",
    description="933 letters in 12 typefaces, unseen scripts or typefaces in test; minutes per run",
    licence="DejaVu fonts: Bitstream Vera licence, changes in the public domain",
    citation="DejaVu fonts 2.37, https://dejavu-fonts.github.io",
    homepage="https://dejavu-fonts.github.io",
    fingerprints={
        "class-disjoint": "0a93925f60389a9b775d58a3121742eb2cc30abeeb575544a02e7793be1032e0",
        "official": "e8ae4cde7dba6ae509b1a859a1b0287c00a97933f4cf3d28c7318cc314d4818d",
    },
    load=load_glyphs,
    check=check_glyphs,
    embedded=True,
)
