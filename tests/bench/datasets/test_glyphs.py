"""The glyphs: which letters, how many, what the renderings look like, what the jitter does."""

import math
import unicodedata
from pathlib import Path

import matplotlib
import numpy as np
import pytest

from bench.datasets import load, verify
from bench.datasets.files.cache import cached
from bench.datasets.glyphs import dataset as module
from bench.datasets.glyphs import rendering
from bench.datasets.glyphs.dataset import FACES, RENDERINGS, letters, render
from bench.datasets.glyphs.rendering import jitter, render_face
from bench.datasets.types import Dataset

FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"


@pytest.fixture(scope="module")
def glyphs(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROXY_BENCH_CACHE", str(tmp_path_factory.mktemp("kept")))
        return load("glyphs", None, "class-disjoint")


def test_class_disjoint_splits_scripts_and_every_fifth_training_letter(glyphs: Dataset) -> None:
    parts = glyphs.split.parts()
    names = {
        part: {glyphs.class_names[label] for label in glyphs.labels[positions]}
        for part, positions in parts.items()
    }
    assert [len(positions) for positions in parts.values()] == [13728, 3432, 5232, 5232]
    assert [len(classes) for classes in names.values()] == [572, 143, 218, 218]
    assert glyphs.pixels.shape == (22392, 28, 28)
    assert set(np.bincount(glyphs.labels)) == {24}
    scripts = {part: {name.split()[1] for name in classes} for part, classes in names.items()}
    assert scripts["train"] == scripts["validation"] == {"LATIN", "GREEK"}
    assert scripts["query"] == {"CYRILLIC", "ARMENIAN", "GEORGIAN"}
    held_out = {name[0] for name in names["validation"]}
    latin = [c for c in map(chr, letters()) if c < "\u0180"]  # Latin only, in order
    assert [c for c in latin if c in held_out] == latin[4::5]
    assert len(letters()) == len(set(letters())) == 933
    assert len(letters(every=True)) == 1378
    assert {unicodedata.category(chr(c))[0] for c in letters()} == {"L"}


def test_official_holds_out_typefaces_and_no_letters(
    glyphs: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "cached", lambda name, settings, make: glyphs.pixels)
    official = load("glyphs", None, "official")
    assert official.items == glyphs.items
    parts = official.split.parts()
    faces = {
        part: {official.items[i].split("/")[1].rsplit("-", 1)[0] for i in positions}
        for part, positions in parts.items()
    }
    serif = {face for face in FACES if face.startswith("DejaVuSerif")}
    assert faces["query"] == faces["gallery"] == serif
    assert faces["validation"] == {"DejaVuSansMono-BoldOblique"}
    assert faces["train"] == set(FACES) - serif - faces["validation"]
    per_class = {part: set(np.bincount(official.labels[p])) for part, p in parts.items()}
    assert per_class == {"train": {14}, "validation": {2}, "query": {8}, "gallery": {8}}
    assert [len(p) for p in parts.values()] == [13062, 1866, 7464, 7464]
    assert official.split.protocol == "official"


def test_items_name_letter_face_and_rendering(glyphs: Dataset) -> None:
    assert glyphs.items[:3] == ("0044/DejaVuSans-0", "0044/DejaVuSans-1", "0044/DejaVuSans-Bold-0")
    position = glyphs.items.index("0416/DejaVuSerif-1")
    assert glyphs.class_names[glyphs.labels[position]] == "Ж CYRILLIC CAPITAL LETTER ZHE"
    one_face = list(render_face(FONTS / "DejaVuSerif.ttf", "DejaVuSerif", [0x416], RENDERINGS))
    np.testing.assert_array_equal(glyphs.pixels[position], one_face[1])


def test_every_picture_has_ink_and_none_is_cut(glyphs: Dataset) -> None:
    images = glyphs.pixels.astype(int)
    assert images.max(axis=(1, 2)).min() > 128
    border = [images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]]
    assert max(edge.max() for edge in border) == 0
    levels = np.unique(images)
    assert len(levels) > 200  # antialiased: not only black and white
    assert np.mean(images == 0) > 0.5  # white on black


def test_no_letter_is_the_box_for_missing_letters() -> None:
    """An unassigned code point draws the face's box; no letter may look like it."""
    upright = [0xFFFE, *letters()]
    pictures = {c: picture for c, picture in zip(upright, _unjittered(upright), strict=True)}
    box = pictures.pop(0xFFFE)
    assert all((picture != box).any() for picture in pictures.values())


def _unjittered(code_points: list[int]) -> list[np.ndarray]:
    still = rendering.Jitter(angle=0, shear=0, scale=1, shift_x=0, shift_y=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rendering, "jitter", lambda code_point, face, rendering: still)
        path = FONTS / "DejaVuSans.ttf"
        return list(render_face(path, "DejaVuSans", code_points, renderings=1))


def test_upright_letters_are_centered() -> None:
    (bar,) = _unjittered([ord("I")])  # upright, centred, symmetric
    assert (bar.sum(axis=1) > 0).sum() in range(15, 19)  # a capital's height
    assert (bar.sum(axis=0) > 0).sum() in range(2, 6)
    rows, columns = np.indices(bar.shape)
    weight = bar / bar.sum()
    assert (rows * weight).sum() == pytest.approx(13.5, abs=0.6)
    assert (columns * weight).sum() == pytest.approx(13.5, abs=0.6)


def test_rotation_turns_and_scale_grows_the_ink() -> None:
    """The principal axis of a rendered bar leans by the drawn angle, its length by the scale."""
    path = FONTS / "DejaVuSans.ttf"
    pictures = list(render_face(path, "DejaVuSans", [ord("I")], renderings=40))
    draws = [jitter(ord("I"), "DejaVuSans", i) for i in range(40)]
    found, expected = [], []
    for picture, drawn in zip(pictures, draws, strict=True):
        rows, columns = np.nonzero(picture > 100)
        axis = np.polyfit(rows, columns, 1)[0]  # columns per row, downwards
        found.append((axis, rows.max() - rows.min() + 1))
        # What becomes of the vertical (0, 1): shear moves it sideways, the turn moves it back.
        across = math.cos(drawn.angle) * drawn.shear - math.sin(drawn.angle)
        down = math.sin(drawn.angle) * drawn.shear + math.cos(drawn.angle)
        expected.append((across / down, 16 * drawn.scale * down))
    np.testing.assert_allclose(np.array(found)[:, 0], np.array(expected)[:, 0], atol=0.08)
    np.testing.assert_allclose(np.array(found)[:, 1], np.array(expected)[:, 1], atol=2.5)


def test_jitter_stays_in_range_fills_it_and_depends_on_everything() -> None:
    draws = np.array([jitter(c, face, i) for c in range(65, 90) for face in FACES for i in (0, 1)])
    low = np.array([-math.radians(20), -0.2, 0.8, -1, -1])
    high = np.array([math.radians(20), 0.2, 1.15, 1, 1])
    assert np.all((draws >= low) & (draws < high))
    np.testing.assert_allclose(draws.mean(axis=0), (low + high) / 2, atol=0.09)
    np.testing.assert_allclose(draws.std(axis=0), (high - low) / math.sqrt(12), rtol=0.1)
    correlation = np.corrcoef(draws.T) - np.eye(5)
    assert np.abs(correlation).max() < 0.15
    assert len(np.unique(draws, axis=0)) == len(draws)
    assert jitter(65, "DejaVuSans", 0) == jitter(65, "DejaVuSans", 0)


def test_rendering_is_a_function_of_letter_and_face_alone() -> None:
    together = render([ord("A"), ord("ж")])
    np.testing.assert_array_equal(together[24:], render([ord("ж")]))
    assert len(np.unique(together.reshape(48, -1), axis=0)) == 48


def test_a_letter_the_face_cannot_draw_is_named() -> None:
    with pytest.raises(ValueError, match=r"U\+0020 of .*DejaVu Sans.* is empty"):
        list(render_face(FONTS / "DejaVuSans.ttf", "DejaVuSans", [0x20], RENDERINGS))


def test_verify_compares_the_kept_file_with_a_fresh_rendering(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = [*map(ord, "ABCDEFG"), *map(ord, "жи")]
    monkeypatch.setattr(module, "letters", lambda: few)
    monkeypatch.setenv("PROXY_BENCH_CACHE", str(tmp_path))
    assert module.check_glyphs(None, lambda done, total: None) == []

    def altered(name: str, settings: dict[str, object], make: object) -> np.ndarray:
        images: np.ndarray = cached(name, settings, lambda: render(few)).copy()
        images[25, 14, 14] ^= 1
        return images

    monkeypatch.setattr(module, "cached", altered)
    (problem,) = module.check_glyphs(None, lambda done, total: None)
    assert problem == "glyphs: 0042/DejaVuSans-1 differs from a fresh rendering"
    monkeypatch.setattr(module, "cached", cached)
    assert "not the pinned one" in verify("glyphs", None, lambda done, total: None)[0]
