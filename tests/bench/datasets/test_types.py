"""Dataset and Split: self-checks, fingerprint, checksum; load and its messages."""

import dataclasses
import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest

from bench.datasets import DATASETS, download, find, load, verify
from bench.datasets.images import ArrayImages
from bench.datasets.splits import Split, class_disjoint, official
from bench.datasets.types import Dataset

LABELS = np.array([0, 0, 1, 1, 2, 2, 3, 3])
NAMES = ("ant", "bee", "cat", "dog")


def _dataset() -> Dataset:
    """Ant and bee train, cat validates, dog tests; random pixels."""
    pixels = np.random.default_rng(3).integers(0, 256, (8, 5, 4), dtype=np.uint8)
    items = tuple(f"{NAMES[label]}/{i}.png" for i, label in enumerate(LABELS))
    return Dataset(
        name="zoo",
        images=ArrayImages(pixels, items),
        labels=LABELS,
        class_names=NAMES,
        items=items,
        split=class_disjoint(LABELS, validation=np.array([2]), test=np.array([3])),
    )


def _positions(*positions: int) -> np.ndarray:
    return np.array(positions, dtype=np.int64)


def _with_split(parts: dict[str, np.ndarray], protocol: str = "class-disjoint") -> Dataset:
    split = Split(protocol=protocol, **{**_dataset().split.parts(), **parts})
    return dataclasses.replace(_dataset(), split=split)


def test_class_disjoint_puts_whole_classes_into_parts() -> None:
    split = class_disjoint(np.array([2, 0, 1, 2, 0, 3]), np.array([1]), np.array([0, 3]))
    assert split.protocol == "class-disjoint"
    assert split.train.tolist() == [0, 3]
    assert split.validation.tolist() == [2]
    assert split.query.tolist() == split.gallery.tolist() == [1, 4, 5]


def test_official_validates_with_every_fifth_training_image_of_a_class() -> None:
    labels = np.array([0, 1] * 8 + [0, 1])
    split = official(labels, training=np.arange(18) != 2)
    assert split.protocol == "official"
    assert split.validation.tolist() == [9, 10]  # the fifth of class 1 and of class 0
    assert split.query.tolist() == split.gallery.tolist() == [2]
    assert sorted([*split.train, *split.validation, *split.query]) == [*range(18)]


def test_fingerprint_is_the_documented_hash() -> None:
    expected = [
        ["train", [["ant/0.png", "ant"], ["ant/1.png", "ant"], ["bee/2.png", "bee"]]],
        ["validation", [["cat/4.png", "cat"], ["cat/5.png", "cat"]]],
        ["query", [["dog/6.png", "dog"], ["dog/7.png", "dog"]]],
        ["gallery", [["dog/6.png", "dog"], ["dog/7.png", "dog"]]],
    ]
    found = _with_split({"train": _positions(2, 0, 1)}).fingerprint
    assert found == hashlib.sha256(json.dumps(expected).encode()).hexdigest()


def test_fingerprint_changes_with_part_item_and_class_name_but_not_with_pixels() -> None:
    base = _dataset()
    moved = _with_split({"train": _positions(0, 1, 2)})
    exchanged = _with_split({"train": base.split.validation, "validation": base.split.train})
    renamed_item = dataclasses.replace(base, items=("other.png", *base.items[1:]))
    renamed_class = dataclasses.replace(base, class_names=("wasp", *NAMES[1:]))
    changed = [moved, exchanged, renamed_item, renamed_class]
    assert len({dataset.fingerprint for dataset in [base, *changed]}) == 5
    mirrored = ArrayImages(base.pixels[::-1], base.items)
    assert dataclasses.replace(base, images=mirrored).fingerprint == base.fingerprint


def test_checksum_is_that_of_the_images_whatever_the_split() -> None:
    base = _dataset()
    assert _with_split({"train": _positions(0, 1, 2)}).checksum == base.images.checksum
    assert dataclasses.replace(base, class_names=("wasp", *NAMES[1:])).checksum == base.checksum


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("labels", LABELS.astype(np.int32), r"labels must be \(N,\) int64, found \(8,\) int32"),
        ("labels", LABELS[:7], "8 images, 7 labels and 8 items"),
        ("items", ("a", "b", "a", "c", "d", "e", "f", "g"), "item occurs more than once: a$"),
        ("class_names", ("ant", "bee", "cat", "bee"), "class name occurs more than once: bee$"),
        ("class_names", NAMES[:3], "label 3 has no class name; there are 3"),
        ("class_names", (*NAMES, "eel"), "class without an image: eel$"),
        ("class_names", (*NAMES, *"efghijk"), "an image: e, f, g, h, i and 2 more$"),
    ],
)
def test_dataset_refuses_wrong_fields(field: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=f"zoo: .*{message}"):
        dataclasses.replace(_dataset(), **{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"train": _positions()}, r"train must be \(n,\) int64 with n > 0, found \(0,\)"),
        ({"query": np.array([6.0])}, r"query must be .* found \(1,\) float64"),
        ({"train": _positions(0, 8)}, r"train points outside 0\.\.7"),
        ({"train": _positions(0, -1)}, r"train points outside 0\.\.7"),
        ({"train": _positions(0, 1, 0)}, "train lists an image more than once"),
        ({"train": _positions(0, 6)}, "train and query share the images dog/6.png$"),
        ({"validation": _positions(4, 1)}, "train and validation share the images ant/1.png$"),
        ({"query": _positions(6), "gallery": _positions(4)}, "validation and gallery share"),
        ({"query": _positions(6), "gallery": _positions(6)}, "nothing can be found .* dog/6.png"),
        ({"train": _positions(0, 4), "validation": _positions(5)}, "share the classes cat, which"),
    ],
)
def test_dataset_refuses_wrong_splits(parts: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(ValueError, match=f"zoo: .*{message}"):
        _with_split(parts)


def test_official_protocol_may_share_classes_but_queries_need_a_gallery() -> None:
    shared = {"train": _positions(0, 2), "validation": _positions(1)}
    test = {"query": _positions(3, 5, 7), "gallery": _positions(4, 6, 7, 3)}
    with pytest.raises(ValueError, match=r"only test image of its class.*: bee/3.png; add images"):
        _with_split({**shared, **test}, "official")
    test = {"query": _positions(5, 7), "gallery": _positions(4, 6)}
    assert _with_split({**shared, **test}, "official").split.protocol == "official"
    test["gallery"] = _positions(3, 4)
    with pytest.raises(ValueError, match="query classes missing from the gallery: dog"):
        _with_split({**shared, **test}, "official")


def test_unknown_names_are_answered_with_the_nearest() -> None:
    with pytest.raises(
        ValueError, match=r"unknown data set 'omniglott'; did you mean 'omniglot'\?"
    ):
        load("omniglott", None, "class-disjoint")
    with pytest.raises(ValueError, match=rf"'xyz' \(known: {', '.join(DATASETS)}\)"):
        find("xyz")
    with pytest.raises(ValueError, match=r"unknown protocol of digits 'minimal' \(known: class-"):
        load("digits", None, "minimal")
    with pytest.raises(ValueError, match="unknown data set 'digit'"):
        verify("digit", None, lambda done, total: None)


def test_a_split_which_is_not_the_pinned_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    other = dataclasses.replace(DATASETS["digits"], fingerprints={"class-disjoint": "f00"})
    monkeypatch.setitem(DATASETS, "digits", other)
    with pytest.raises(ValueError, match=r"class-disjoint split of digits .* expected f00"):
        load("digits", None, "class-disjoint")
    assert "expected f00" in verify("digits", None, lambda done, total: None)[0]


def test_missing_data_says_where_it_was_looked_for_and_how_to_get_it(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, named = tmp_path_factory.mktemp("given"), tmp_path_factory.mktemp("named")
    monkeypatch.setenv("PROXY_BENCH_DATA", str(named))
    command = "`proxy-bench data download omniglot --data-root DIR`.* PROXY_BENCH_DATA"
    for root, used in ((given, given), (None, named)):
        looked = f"{used}/omniglot/images_background.zip and {used}/omniglot/images_background"
        with pytest.raises(FileNotFoundError, match=f"looked for {looked}. Get it with {command}"):
            load("omniglot", root, "class-disjoint")
    monkeypatch.delenv("PROXY_BENCH_DATA")
    with pytest.raises(FileNotFoundError, match=f"needs a data root. Get it with {command}"):
        load("omniglot", None, "class-disjoint")
    with pytest.raises(FileNotFoundError, match="needs a data root"):
        download("omniglot", None, lambda name, done, total: None)
    assert "needs a data root" in verify("omniglot", None, lambda done, total: None)[0]


def test_every_source_is_complete() -> None:
    for name, source in DATASETS.items():
        assert source.protocols
        pinned = [len(pin or "") for pin in source.fingerprints.values()]
        assert set(pinned) == {0 if name == "folder" else 64}
        assert source.embedded == (not (source.files or source.archives or source.by_hand))
        assert source.by_hand or not source.archives
        assert all((source.title, source.licence, source.citation, source.homepage))
        assert "\n" not in source.description


def test_importing_and_loading_needs_no_torch() -> None:
    code = (
        "import sys; import bench.datasets as d; heavy = {'sklearn', 'matplotlib'} & {*sys.modules}"
        "; d.load('digits', None, 'class-disjoint'); print(sorted(heavy), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[] False\n"
