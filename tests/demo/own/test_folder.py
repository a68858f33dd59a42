"""A folder of images without labels: how it is embedded, and what is found alike in it."""

import io
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from bench.cli.networks import embed_folder
from bench.store.runs import Run
from bench.store.thumbnails import Thumbnails, as_jpegs, encode
from demo.library import Library
from demo.opened import with_folder
from demo.own import folder as folders
from demo.own.alike import ALIKE, clusters, near_duplicates, neighbors
from demo.own.folder import Folder, open_folder
from demo.page import draw
from demo.serving.routes import find_picture
from tests.support.fabricated import make_pictures

EVIL = "<script>alert(1)</script>.png"


def made(vectors: np.ndarray) -> Folder:
    """A folder whose images have these embeddings (N, D)."""
    images = np.random.default_rng(0).integers(0, 256, (len(vectors), 8, 8, 3), dtype=np.uint8)
    names = (EVIL, *(f"{n}.png" for n in range(1, len(vectors))))
    labels = np.zeros(len(vectors), np.int64)
    pictures = Thumbnails(as_jpegs(images), labels, ("",), names, "folder")
    return Folder(Path("folder"), "run", vectors.astype(np.float32), pictures)


def three_groups() -> np.ndarray:
    """Vectors (24, 4) of three directions in turn, the first of them most often."""
    generator = np.random.default_rng(1)
    group = np.array([0, 1, 0, 2] * 6)
    vectors: np.ndarray = np.eye(4)[group] * 5 + generator.normal(size=(24, 4)) * 0.5
    return vectors


def write_images(folder: Path) -> Path:
    """Images of the network's size, one of them twice, among other files."""
    (folder / "below").mkdir(parents=True)
    images = make_pictures().files["images"]
    for name, position in (("a.png", 3), ("below/b.png", 30), ("below/copy.png", 3)):
        (folder / name).write_bytes(encode(images[position], "PNG"))
    (folder / "notes.txt").write_text("no image")
    (folder / "Thumbs.db").write_text("left by a system")
    return folder


def run_here(command: list[str], **_: object) -> SimpleNamespace:
    """The process that embeds a folder, in this one."""
    answer = io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", command[2:])
        patch.setattr(sys, "stdout", SimpleNamespace(buffer=answer))
        code = embed_folder.main()
    return SimpleNamespace(returncode=code, stdout=answer.getvalue())


def test_a_folder_is_embedded_as_the_run_embeds(
    library: Library,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(folders, "subprocess", SimpleNamespace(run=run_here, PIPE=0))
    run: Run = library.shelves[0].runs[0]
    opened, first = with_folder(library, run.name, write_images(tmp_path / "images"))
    assert first.endswith(f"&run={run.name}&tab=folder")
    folder = opened.folder
    assert folder is not None
    assert folder.pictures.items == ("a.png", "below/b.png", "below/copy.png")
    stored = run.embeddings["embeddings"][[3, 30, 3]]
    np.testing.assert_allclose(folder.vectors, stored, atol=1e-5)
    assert near_duplicates(folder)[0][:2] == (0, 2)
    assert "1 files that are not images (.txt 1)" in capsys.readouterr().err


def test_an_image_that_cannot_be_used_ends_it_with_a_message(
    library: Library,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(folders, "subprocess", SimpleNamespace(run=run_here, PIPE=0))
    (write_images(tmp_path / "images") / "broken.png").write_text("no image")
    with pytest.raises(ValueError, match="were not embedded; the lines above say why"):
        open_folder(library.shelves[0].runs[0], tmp_path / "images")
    message = capsys.readouterr().err
    assert "broken.png is not an image file" in message
    assert "Traceback" not in message


def test_a_folder_needs_a_run(library: Library) -> None:
    with pytest.raises(ValueError, match="--images needs --run RUN"):
        with_folder(library, "", Path("images"))


def test_neighbors_are_the_plain_order_without_the_image() -> None:
    folder = made(three_groups())
    doubles = folder.vectors.astype(np.float64)
    unit = doubles / np.linalg.norm(doubles, axis=1, keepdims=True)
    for position in range(24):
        cosines = unit @ unit[position]
        cosines[position] = -2
        found, shown = neighbors(folder, position, 5)
        assert found.tolist() == np.argsort(-cosines)[:5].tolist()
        np.testing.assert_allclose(shown, cosines[found], atol=1e-9)


def test_clusters_hold_every_image_once_the_largest_first() -> None:
    found = clusters(made(three_groups()))
    assert len(found) == round((24 / 2) ** 0.5)
    assert sorted(np.concatenate(found).tolist()) == list(range(24))
    assert [len(group) for group in found] == [12, 6, 6]
    assert {position % 4 for position in found[0].tolist()} == {0, 2}
    assert [len(group) for group in clusters(made(np.ones((9, 3))))] == [9]  # one distinct image


def test_near_duplicates_are_pairs_above_the_threshold() -> None:
    vectors = np.random.default_rng(2).normal(size=(30, 16))
    vectors[20] = vectors[4] * 3
    vectors[25] = vectors[9] + 0.03 * np.random.default_rng(3).normal(size=16)
    found = near_duplicates(made(vectors))
    assert [pair[:2] for pair in found] == [(4, 20), (9, 25)]
    assert found[0][2] == pytest.approx(1)
    assert ALIKE <= found[1][2] < 1


def test_the_tab_leads_from_image_to_image_and_cluster(library: Library) -> None:
    opened = replace(library, folder=made(three_groups()))
    page = draw(opened, {"tab": "folder", "k": "5", "mine": "999"})
    assert "<h2>23.png</h2>" in page  # the last
    assert len(re.findall("hit unknown", page)) == 5
    assert "hit right" not in page
    assert "hit wrong" not in page
    one = draw(opened, {"tab": "folder", "cluster": "0"})
    assert "Cluster 1: 12 images" in one
    assert "Cluster 2" not in one
    assert EVIL not in draw(opened, {"tab": "folder"})
    assert "&lt;script&gt;" in draw(opened, {"tab": "folder"})
    (source,) = set(re.findall(r'src="picture/(0/\d+/23)"', page))
    shelf, digest, position = source.split("/")
    numbers = {"shelf": shelf, "digest": digest, "position": position}
    assert find_picture(opened, numbers) == opened.folder.pictures.encoded(23)  # type: ignore[union-attr]
    for wrong in ({"digest": "1"}, {"position": "24"}, {"position": "-1"}):
        assert find_picture(opened, {**numbers, **wrong}) is None
    assert find_picture(library, numbers) is None


def test_without_a_folder_there_is_no_tab(library: Library) -> None:
    assert 'data-tab="folder"' not in draw(library, {})
    assert "No folder is open: `proxy-bench demo --images" in draw(library, {"tab": "folder"})
