"""Market-1501: the genuine names as tiny pictures; missing, renamed and trimmed photographs."""

from collections import Counter
from pathlib import Path

import pytest

from bench.datasets import load, verify
from bench.datasets.market1501.dataset import NAMES, Names, differences
from tests.support.tiny import decode_only, fill, jpeg, quiet, replace

LISTS = {"bounding_box_train": "train", "query": "query", "bounding_box_test": "test"}
FEWER = "the names of its 3,367 photographs are not those of the 3,368 published ones"
MORE = "the names of its 19,733 photographs are not those of the 19,732 published ones"
ENDS = " (some of which end in .jpg.jpg)"
ONE = "bounding_box_train/0002_c1s1_000451_03.jpg"


@pytest.fixture
def names(data_root: Path) -> Names:
    """The genuine names by folder, in order."""
    found = {}
    for folder, part in LISTS.items():
        lines = (data_root / f"market1501/market1501_{part}.csv").read_text().splitlines()
        found[folder] = sorted(line.split(",")[1].removeprefix(f"{folder}/") for line in lines)
    return found


@pytest.fixture
def folder(names: Names, tmp_path: Path) -> Path:
    """A tiny picture under every genuine name."""
    place = tmp_path / "market1501"
    fill(place, [f"{part}/{name}" for part, listed in names.items() for name in listed])
    return place


def test_genuine_names_have_the_published_counts(folder: Path, tmp_path: Path) -> None:
    for part in NAMES:
        for litter in ("Thumbs.db", "._0002_c1s1_000451_03.jpg", "desktop.ini", ".x.jpg"):
            (folder / part / litter).touch()
        (folder / part / "@eaDir").mkdir()
        (folder / part / "@eaDir" / "a.jpg").touch()
    market = load("market1501", tmp_path, "re-identification")
    parts = market.split.parts()
    labels = {part: market.labels[positions].tolist() for part, positions in parts.items()}
    training = sorted({*labels["train"], *labels["validation"]})
    assert len(labels["train"]) + len(labels["validation"]) == 12936
    assert len(training) == 751
    assert sorted(set(labels["validation"])) == training[9::10]
    assert (len(labels["query"]), len(set(labels["query"]))) == (3368, 750)
    gallery = Counter(labels["gallery"])
    assert (gallery.total(), gallery[0], gallery[-1]) == (19732, 2798, 3819)
    assert set(gallery) - {0, -1} == set(labels["query"])
    assert market.has_own_gallery
    assert market.cameras is not None
    assert set(market.cameras.tolist()) == set(range(1, 7))
    for item, label, camera in zip(market.items, market.labels, market.cameras, strict=True):
        assert item.startswith(tuple(NAMES))
        identity, _, rest = item.rsplit("/", 1)[1].partition("_c")
        assert (label, camera) == (int(identity), int(rest[0]))
    assert market.class_names[:3] == ("distractors", "0001", "0002")
    assert market.class_of(market.items.index(ONE)) == "0002"


def test_every_damage_is_named(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode_only([ONE, "query/0001_c2s1_000301_00.jpg"], monkeypatch)
    assert verify("market1501", tmp_path, quiet) == []
    replace(folder / ONE, jpeg()[:-20])
    (folder / "query/0001_c1s1_001051_00.jpg").unlink()
    (folder / "query/0003_c1s6_015971_00.png").touch()
    (folder / "bounding_box_test/me.jpg").touch()
    problems = verify("market1501", tmp_path, quiet)
    surplus = ("bounding_box_test/me.jpg", "query/0003_c1s6_015971_00.png")
    expected = [
        *(
            f"{folder}/{part}: {text}{ENDS}"
            for part, text in (("query", FEWER), ("bounding_box_test", MORE))
        ),
        *(f"{folder}: {name} does not belong here" for name in surplus),
    ]
    assert problems[:4] == expected
    assert problems[4].startswith(f"{ONE} is damaged and cannot be decoded")
    with pytest.raises(ValueError, match=r"not as published: .*query: .* \(and 1 more problems\)"):
        load("market1501", tmp_path, "re-identification")


def test_names_differ_from_the_published_ones(names: Names) -> None:
    place = Path("market")
    assert differences(place, names) == []
    renamed = [name.replace(".jpg.jpg", ".jpg") for name in names["query"]]
    trimmed = [name for name in names["bounding_box_test"] if not name.startswith("-1")]
    for part, changed in (("query", renamed), ("bounding_box_test", trimmed)):
        (problem,) = differences(place, {**names, part: changed})
        start = f"market/{part}: the names of its {len(changed):,} photographs are not those of the"
        assert problem.startswith(start)


def test_missing_folders_and_re_packed_copies_are_named(tmp_path: Path) -> None:
    place = tmp_path / "market1501/Market-1501-v15.09.15"
    fill(place, ["query/0001_c1s1_001051_00.jpg"])
    message = "bounding_box_train, bounding_box_test missing from .*v15.09.15; get the official"
    with pytest.raises(FileNotFoundError, match=message):
        load("market1501", tmp_path, "re-identification")
    for part in NAMES:
        (place / part).mkdir(exist_ok=True)
    message = r"bounding_box_train: the names of its 0 photographs .* \(and 2 more prob"
    with pytest.raises(ValueError, match=message):
        load("market1501", tmp_path, "re-identification")
    (place / "bounding_box_train").rmdir()
    (place / "pytorch").mkdir()
    with pytest.raises(ValueError, match=r"is a re-packed copy: .* by identity in pytorch/"):
        load("market1501", tmp_path, "re-identification")
