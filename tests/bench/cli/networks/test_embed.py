"""Embeddings of a user's images by stored networks, and what stops them."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from typer.testing import CliRunner

from bench.cli.listing import model_path
from bench.cli.main import app
from bench.cli.networks import embed as embedding
from bench.datasets import load
from bench.store.runs import Run
from bench.training.inputs import embed
from bench.training.stored_model import StoredModel, load_model
from tests.support.photographs import write_pictures
from tests.support.short_runs import execute, spec_for

ZOO = "folder:zoo"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("root")
    names = (f"class {label}/{image}.png" for label in range(8) for image in range(5))
    write_pictures(folder / "zoo", names)
    return folder


@pytest.fixture(scope="module")
def results(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    sizes = {"dataset": ZOO, "resize": 20, "crop": 16, "batch_size": 4}
    sizes |= {"augmentation": "resized-crop", "interpolation": "bicubic"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROXY_BENCH_DATA", str(root))
        execute(spec_for("proxy_nca", steps=4, **sizes), folder)
    execute(spec_for("triplet", steps=4), folder)
    return folder


def invoke(results: Path, *arguments: object) -> str:
    done = CliRunner().invoke(app, [*map(str, arguments), "--results", str(results)])
    if done.exception is not None:
        raise done.exception
    return done.output


def write_digits(folder: Path, kind: str = "L") -> list[Path]:
    folder.mkdir()
    pixels = load("digits", None, "class-disjoint").images.batch(np.arange(3))
    paths = [folder / f"{number}.png" for number in range(3)]
    for path, image in zip(paths, pixels, strict=True):
        Image.fromarray(image).convert(kind).save(path)
    return paths


def test_photographs_get_the_embeddings_that_the_run_stored(
    results: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out.npy"
    text = invoke(results, "embed", "folder-zoo", root / "zoo", "-o", output)
    found = np.load(output)
    assert found.shape == (40, 8)
    assert found.dtype == np.float32
    lines = list(csv.DictReader((tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()))
    rows = {line["path"]: row for row, line in enumerate(lines)}
    monkeypatch.setenv("PROXY_BENCH_DATA", str(root))
    zoo = load(ZOO, None, "class-disjoint")
    names = [(root / "zoo" / zoo.items[n]).as_posix() for n in zoo.split.query]
    (run,) = results.glob("runs/folder*")
    stored = load_file(run / "embeddings.safetensors")["embeddings"].numpy()
    np.testing.assert_allclose(found[[rows[name] for name in names]], stored, atol=1e-5)
    assert {line["label"] for line in lines} == {f"class {label}" for label in range(8)}
    assert f"score   proxy-bench score {output} {tmp_path / 'out.csv'}" in text
    assert "note    the run trained on images of folder:zoo: with them, or others" in text
    scored = CliRunner().invoke(app, ["score", str(output), str(tmp_path / "out.csv")])
    assert "40 embeddings of 8 dimensions, 8 classes" in scored.output


def test_photographs_that_the_run_saw_cut_are_not_taken_whole(
    results: Path, root: Path, tmp_path: Path
) -> None:
    (run,) = results.glob("runs/folder*")
    model = load_model(run / "model.safetensors")
    spec = model.spec.model_copy(update={"dataset": "cub200_boxes"})
    cut = StoredModel(model.network, spec, model.side, model.channels)
    folder = tmp_path / "CUB_200_2011"
    write_pictures(folder / "images", ["001.Albatross/1.png"])
    images, _ = embedding.find_images([folder / "images"])
    assert embedding.check_whole(model, images) == []
    (note,) = embedding.check_whole(cut, images)
    assert "the images are used whole; the run saw those of cub200_boxes" in note
    (folder / "bounding_boxes.txt").write_text("1 60.0 27.0 325.0 304.0\n")
    with pytest.raises(ValueError, match=r"1\.png is a whole photograph, and the run saw those of"):
        embedding.check_whole(cut, images)
    assert embedding.check_whole(model, images) == []


@pytest.mark.parametrize("kind", ["L", "RGB"])  # grey saved in colour stays grey
def test_small_images_of_the_right_size(results: Path, tmp_path: Path, kind: str) -> None:
    paths = write_digits(tmp_path / "digits", kind)
    invoke(results, "embed", "digits-triplet", *paths[::-1], "-o", tmp_path / "out.npy")
    names = (tmp_path / "out.csv").read_text(encoding="utf-8").split()
    assert names == ["path", *(path.as_posix() for path in paths[::-1])]  # no folder, no label
    digits = load("digits", None, "class-disjoint")
    (run,) = results.glob("runs/digits*")
    model = load_model(run / "model.safetensors").network
    expected = embed(model, digits.images, np.arange(3)).numpy()[::-1]
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), expected, atol=1e-5)


def test_a_device_that_is_not_here_is_refused(results: Path, root: Path, tmp_path: Path) -> None:
    options = ["-o", tmp_path / "out.npy", "--device", "nonsense"]
    with pytest.raises(ValueError, match="device 'nonsense' cannot be used"):
        invoke(results, "embed", "folder-zoo", root / "zoo", *options)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_embeddings_of_the_cpu(results: Path, root: Path, tmp_path: Path) -> None:
    for device in ("cpu", "cuda"):
        output = tmp_path / f"{device}.npy"
        invoke(results, "embed", "folder-zoo", root / "zoo", "-o", output, "--device", device)
    found, expected = np.load(tmp_path / "cuda.npy"), np.load(tmp_path / "cpu.npy")
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_table_has_names_and_dimensions(results: Path, root: Path, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    invoke(results, "embed", "folder-zoo", root / "zoo", "-o", tmp_path / "out.parquet")
    invoke(results, "embed", "folder-zoo", root / "zoo", "-o", tmp_path / "out.npy")
    table = pandas.read_parquet(tmp_path / "out.parquet")
    assert list(table) == ["path", "label", *(f"e{n}" for n in range(8))]
    np.testing.assert_array_equal(
        table.filter(regex="^e").to_numpy(), np.load(tmp_path / "out.npy")
    )


def test_every_unusable_image_is_named_and_nothing_written(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "BATCH", 2)
    folder = tmp_path / "images"
    write_digits(folder)
    (folder / "a.png").write_bytes(b"no image")
    Image.new("L", (9, 8)).save(folder / "b.png")
    Image.new("RGB", (8, 8), "red").save(folder / "z.png")
    with pytest.raises(ValueError, match="3 of 6 images cannot be used, so nothing was") as error:
        invoke(results, "embed", "digits-triplet", folder, "-o", tmp_path / "out.npy")
    assert "a.png is not an image file (8 bytes)" in str(error.value)
    assert "b.png is 9x8 pixels; the network takes the images of digits, 8x8" in str(error.value)
    assert "z.png has colours; the network takes grey images" in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["images"]


def test_what_is_no_image_is_reported(results: Path, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    write_digits(folder)
    for name in ("a.txt", "b.txt", "c.heic", ".hidden"):
        (folder / name).write_text("x")
    text = invoke(results, "embed", "digits-triplet", folder, "-o", tmp_path / "out.npy")
    assert f"{folder}: 3 files that are not images (.txt 2, .heic 1)" in text


def test_pictures_that_are_cut_or_several_are_named(results: Path, tmp_path: Path) -> None:
    """As `data verify` names them; their embeddings are written all the same."""
    generator = np.random.default_rng(1)
    first, second = (
        Image.fromarray(generator.integers(0, 256, (9, 9, 3), dtype=np.uint8)).resize((90, 70))
        for _ in range(2)
    )
    (folder := tmp_path / "images").mkdir()
    first.save(folder / "cut.jpg")
    whole = (folder / "cut.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2] + b"\xff\xd9")
    first.save(folder / "two.gif", save_all=True, append_images=[second])
    second.save(folder / "whole.png")
    text = " ".join(
        invoke(results, "embed", "folder-zoo", folder, "-o", tmp_path / "a.npy").split()
    )
    assert f"1 of 3 images lack the end of their picture ({folder}/cut.jpg); get them again" in text
    assert (
        f"1 of 3 images hold several pictures; only the first is used ({folder}/two.gif: 2)" in text
    )
    assert len(np.load(tmp_path / "a.npy")) == 3
    text = invoke(results, "embed", "folder-zoo", folder / "whole.png", "-o", tmp_path / "b.npy")
    assert text.startswith("1 images, 8 dimensions")


def test_folders_of_one_class_each_give_labels(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        write_digits(folder)
    found, _ = embedding.find_images(folders)
    assert {(image.path.parent.name, image.label) for image in found} == {("a", "a"), ("b", "b")}
    alone, _ = embedding.find_images(folders[:1])  # may hold images of all kinds
    assert {image.label for image in alone} == {""}


def test_a_list_names_images_and_labels(tmp_path: Path) -> None:
    """Not the folders, which are parts here, and not the image that it leaves out."""
    for part in ("test", "train"):
        (tmp_path / part).mkdir()
        write_digits(tmp_path / part / "roll")
    rows = ["train/roll/1.png,nine", "test/roll/0.png,four", "test/roll/2.png,train"]
    rows += ["train/roll/0.png,test", "train/roll/2.png,test"]
    (tmp_path / "images.csv").write_text("\n".join(["path,label", *rows]))
    found, (note,) = embedding.find_images([tmp_path])
    assert [f"{image.path.relative_to(tmp_path)},{image.label}" for image in found] == sorted(rows)
    assert note == (
        f"{tmp_path}: 5 images and their labels are those of images.csv; left out: 1 not "
        "listed (test/roll/1.png)"
    )
    without, _ = embedding.find_images([tmp_path], by_lists=False)
    assert len(without) == 6
    rows = [f"{row},official" for row in rows]
    listed = [row.replace("official", "train") for row in rows[:2]]
    listed += [row.replace("official", "val") for row in rows[2:4]]
    listed += [rows[4].replace("official", "query"), "test/roll/1.png,-1,gallery"]
    (tmp_path / "images.csv").write_text("\n".join(["path,label,split", *listed]))
    found, (note,) = embedding.find_images([tmp_path])
    assert "-1" not in {image.label for image in found}
    assert note.endswith("left out: 1 listed as junk (test/roll/1.png)")
    assert set(embedding.columns(found)) == {"path", "label"}
    seen = [f"{row},{number % 2}" for number, row in enumerate(listed)]
    (tmp_path / "images.csv").write_text("\n".join(["path,label,split,camera", *seen]))
    found, (note,) = embedding.find_images([tmp_path])
    assert embedding.columns(found)["camera"] == [str(image.camera) for image in found]
    assert {image.camera for image in found} == {0, 1}
    (tmp_path / "images.csv").write_text(
        "\n".join(["path,label,split,camera", f"{listed[0]},", *seen[1:]])
    )
    found, notes = embedding.find_images([tmp_path])
    assert "camera" not in embedding.columns(found)
    assert notes[1:] == ["left out: the cameras, which some images lack"]
    (tmp_path / "images.csv").write_text("path,label\ntrain/roll/9.png,nine\n")
    with pytest.raises(ValueError, match=r"images\.csv has a mistake"):
        embedding.find_images([tmp_path])


def test_parts_of_a_data_set_give_no_labels(tmp_path: Path) -> None:
    for part in ("test", "train"):
        (tmp_path / part).mkdir()
        write_digits(tmp_path / part / "heron")
    found, (note,) = embedding.find_images([tmp_path])
    assert {image.label for image in found} == {""}
    assert note.startswith("the folders test, train are parts of a data set")
    each, _ = embedding.find_images([tmp_path / "test", tmp_path / "train"])
    assert {image.label for image in each} == {"heron"}


def test_a_network_that_was_not_kept_is_one_message(results: Path, tmp_path: Path) -> None:
    stored = Run(tmp_path / "lost", {"files": {}})
    with pytest.raises(ValueError, match="lost has no stored network: its suite has keep_model"):
        model_path(stored)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("out.txt", r"out.txt: expected a name that ends in .npy or .parquet"),
        ("missing/out.npy", "does not exist"),
        ("taken.npy", "taken.npy exists; delete it or name another file"),
        ("named.npy", "named.csv exists"),  # the names of the rows would replace it
    ],
)
def test_output_that_cannot_be_written(
    results: Path, tmp_path: Path, output: str, message: str
) -> None:
    images = write_digits(tmp_path / "digits")
    for name in ("taken.npy", "named.csv"):
        (tmp_path / name).write_text("mine")
    with pytest.raises(ValueError, match=message):
        invoke(results, "embed", "digits-triplet", *images, "-o", tmp_path / output)
    assert (tmp_path / "named.csv").read_text() == "mine"


def test_a_table_without_pyarrow_is_one_message(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "find_spec", lambda name: None)
    with pytest.raises(
        ValueError, match=r"out.parquet needs pyarrow; pip install 'proxy-bench\[parquet\]', or"
    ):
        embedding.check_output(tmp_path / "out.parquet", [])


def test_images_that_are_missing_or_named_twice(results: Path, tmp_path: Path) -> None:
    images = write_digits(tmp_path / "digits")
    (tmp_path / "empty").mkdir()
    for places, message in (
        ([tmp_path / "no.png"], "does not exist"),
        ([tmp_path / "empty"], "no image in"),
        ([images[0], tmp_path / "digits"], "is named twice; name every image once"),
        ([images[0], tmp_path / "digits" / ".." / "digits" / "0.png"], "are one image, which is"),
    ):
        with pytest.raises((ValueError, OSError), match=message):
            embedding.find_images(places)
