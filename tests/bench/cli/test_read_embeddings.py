"""Embeddings and labels that someone brings: their files, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from bench.cli.read_embeddings import read_embeddings, read_ks, read_sides
from bench.cli.score import score_embeddings
from bench.datasets.files.progress import quiet
from proxy_core.metrics.retrieval import rank, summary
from tests.support.own_vectors import LABELS, saved, vectors

TYPED = ("é", "e\u0301")  # one word, in two ways
WORDS = np.array([f"{TYPED[i % 2]} {label}" for i, label in enumerate(LABELS)])


@pytest.fixture
def npy(tmp_path: Path) -> tuple[Path, Path]:
    return saved(tmp_path)


def test_every_kind_of_file_gives_the_same(tmp_path: Path, npy: tuple[Path, Path]) -> None:
    np.savez(tmp_path / "both.npz", embeddings=vectors(), labels=LABELS)
    tensors = {"embeddings": torch.from_numpy(vectors()), "labels": torch.from_numpy(LABELS)}
    save_file(tensors, tmp_path / "both.safetensors")
    np.save(tmp_path / "l.npy", LABELS.astype(np.uint8))
    (tmp_path / "words.csv").write_text(
        "\ufeffpath,label\n" + "".join(f"{i}.jpg,{word}\n" for i, word in enumerate(WORDS)),
        encoding="utf-8",
    )
    np.savez(tmp_path / "bytes.npz", labels=np.char.encode(WORDS, "utf-8"))
    places: list[tuple[Path, Path | None]] = [
        npy,
        (npy[0], tmp_path / "l.npy"),
        (npy[0], tmp_path / "words.csv"),
        (npy[0], tmp_path / "bytes.npz"),
    ]
    places += [(tmp_path / "both.npz", None), (tmp_path / "both.safetensors", None)]
    for place in places:
        ((embeddings, labels),) = read_sides(place, None)
        np.testing.assert_array_equal(embeddings, vectors())
        np.testing.assert_array_equal(labels, LABELS)


def test_bfloat16_is_read(tmp_path: Path) -> None:
    path = tmp_path / "b.safetensors"
    half = torch.from_numpy(vectors()).bfloat16()
    save_file({"embeddings": half, "labels": torch.from_numpy(LABELS)}, path)
    found, _ = read_embeddings(path, None)
    np.testing.assert_array_equal(found, half.float().numpy())


def test_a_gallery_apart_has_its_classes_by_the_same_labels(tmp_path: Path) -> None:
    """The gallery lacks class 0, so its first class is not the first of the queries."""
    np.savez(tmp_path / "q.npz", embeddings=vectors(), labels=LABELS)
    np.savez(tmp_path / "g.npz", embeddings=vectors(1)[5:], labels=LABELS[5:])
    queries, gallery = read_sides((tmp_path / "q.npz", None), (tmp_path / "g.npz", None))
    np.testing.assert_array_equal(gallery[1], LABELS[5:])
    (scores,) = score_embeddings(queries, gallery, (1,), "cosine", quiet)
    assert scores["queries_without_relevant"] == 5
    assert scores["recall@1"] > 0.5


def broken(**changes: object) -> dict[str, object]:
    return {"embeddings": vectors(), "labels": LABELS} | changes


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (broken(labels=LABELS[:29]), r"labels have shape \(29,\); expected one for each of 30"),
        (broken(labels=LABELS[:, None]), r"labels have shape \(30, 1\)"),
        (broken(labels=LABELS[:0]), r"labels have shape \(0,\)"),
        (broken(labels=LABELS[0]), r"labels have shape \(\)"),
        (broken(labels=np.where(LABELS == 2, np.inf, LABELS)), r"float64, inf in row \d+;"),
        (broken(labels=(LABELS + 2**11).astype(np.float16)), "float16 go from .* beyond 2,048"),
        (broken(labels=LABELS * 0 + 3), "all 30 labels are 3; it takes two classes"),
        (broken(labels=np.arange(30)), "all 30 labels differ"),
        (broken(labels=LABELS + 0.5), "labels are float64, 0.5 in row 0; expected whole numbers"),
        (
            broken(labels=np.where(LABELS == 2, np.nan, LABELS)),
            r"float64, nan in row \d+;",
        ),
        (
            broken(labels=np.uint64(2**63) + LABELS.astype(np.uint64)),
            "labels of type uint64 go from .* beyond",
        ),
        (broken(labels=LABELS + 2.0**60), "labels of type float64 go from .* beyond"),
        (
            broken(embeddings=vectors().astype(np.longdouble)),
            "embeddings are .*; expected floating",
        ),
        (broken(embeddings=vectors()[:, 0]), r"embeddings have shape \(30,\)"),
        (broken(embeddings=LABELS.reshape(30, 1)), "embeddings are int64; expected floating point"),
        (broken(embeddings=vectors() * np.nan), "30 of 30 embeddings hold NaN .* in row 0"),
        ({"embeddings": vectors()}, "has no array 'labels', but embeddings"),
    ],
)
def test_what_cannot_be_scored_is_named(
    content: dict[str, np.ndarray], message: str, tmp_path: Path
) -> None:
    np.savez(tmp_path / "x.npz", **content)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=f"x.npz.*{message}"):
        read_sides((tmp_path / "x.npz", None), None)


def test_files_that_cannot_be_read_are_named(tmp_path: Path, npy: tuple[Path, Path]) -> None:
    (tmp_path / "text.npy").write_text("no array")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "two.csv").write_text("a,b\n1,2\n")
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "text.safetensors").write_text("no tensors")
    (tmp_path / "head.csv").write_text("path,label\n")
    (folder := tmp_path / "folder.csv").mkdir()
    (tmp_path / "nothing.npy").touch()
    (tmp_path / "shifted.csv").write_text("class\n" + "".join(f"{n}\n" for n in LABELS[1:]))
    (tmp_path / "hole.csv").write_text("a\n\nb\n\n")
    (tmp_path / "comma.txt").write_text("a\nb, 0\nb, 1\n")
    (tmp_path / "first.csv").write_text("\na\nb\n")
    (tmp_path / "semicolon.csv").write_text("path;label\n1;2\n")
    (tmp_path / "class.csv").write_text("class\n" + "".join(f"c{n}\n" for n in LABELS))
    (tmp_path / "blank.csv").write_text("path,label\n1,a\n2, \n")
    (tmp_path / "twice.csv").write_text("label,Label\na,b\n")
    (tmp_path / "open.csv").write_text('a\n"b\n')
    (tmp_path / "short.csv").write_text("path,label\n1,a\n2\n")
    (tmp_path / "wide.csv").write_text("a\nb\n", encoding="utf-16-le")
    (tmp_path / "last.csv").write_text("class\n" + "a\n" * (len(LABELS) - 1) + '""\n')
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04 and no more")
    np.savez(tmp_path / "pickled.npz", labels=np.array([{}], dtype=object))
    np.savez(tmp_path / "latin.npz", labels=np.array([b"\xe9"] * len(LABELS)))
    np.savez(tmp_path / "other.npz", x=LABELS, y=LABELS)
    for labels, message in [
        (None, "e.npy holds embeddings only"),
        (tmp_path / "none.csv", "there is no file"),
        (tmp_path / "empty.csv", "empty.csv is empty"),
        (tmp_path / "two.csv", "two.csv has 2 columns and none is called 'label', but a, b"),
        (tmp_path / "bytes.csv", "bytes.csv has a mistake:\n  line 1: this is not UTF-8"),
        (tmp_path / "text.npy", "text.npy cannot be read as .npy"),
        (tmp_path / "text.safetensors", "text.safetensors cannot be read as .safetensors"),
        (tmp_path / "l.json", "l.json is no file of arrays"),
        (tmp_path / "head.csv", "head.csv holds a heading only"),
        (tmp_path / "class.csv", "first line is a heading, call it 'label', not 'class'"),
        (tmp_path / "shifted.csv", "first line is 'class' and all others are numbers"),
        (tmp_path / "hole.csv", "hole.csv has a mistake:\n  line 2: there is no label"),
        (
            tmp_path / "comma.txt",
            "2 mistakes:\n  line 2: 2 fields under a single column; what",
        ),
        (tmp_path / "first.csv", "first.csv has a mistake:\n  line 1: there is no label"),
        (tmp_path / "semicolon.csv", "separate them by commas"),
        (tmp_path / "nothing.npy", "nothing.npy is empty"),
        (tmp_path, "is no file of arrays"),
        (folder, "folder.csv is a folder"),
        (tmp_path / "blank.csv", "blank.csv has a mistake:\n  line 3: there is no label"),
        (tmp_path / "twice.csv", "twice.csv, line 1: the column 'label' is there more than once"),
        (tmp_path / "open.csv", "line 2: this is not CSV .unexpected end of data"),
        (tmp_path / "latin.npz", "latin.npz: labels are bytes, but not UTF-8"),
        (tmp_path / "short.csv", "line 3: 1 field under 2 columns"),
        (tmp_path / "wide.csv", "line 1: there is a zero byte; save the file as CSV UTF-8"),
        (tmp_path / "last.csv", f"line {len(LABELS) + 1}: there is no label"),
        (tmp_path / "cut.npz", "cut.npz cannot be read as .npz .*damaged"),
        (tmp_path / "pickled.npz", "pickled.npz cannot be read as .npz .*holds Python objects"),
        (altered(tmp_path / "locked.npz", 0, 1), "locked.npz cannot .*encrypted.* password"),
        (altered(tmp_path / "odd.npz", 2, 99), "odd.npz cannot .*compression .* np.savez"),
        (tmp_path / "other.npz", "other.npz has no array 'labels', but x, y"),
    ]:
        with pytest.raises((ValueError, FileNotFoundError), match=message):
            read_embeddings(npy[0], labels)


def altered(path: Path, field: int, value: int) -> Path:
    """A .npz file with another value of a field in both headers of its entry."""
    np.savez(path, labels=LABELS)
    content = bytearray(path.read_bytes())
    for mark, fields in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + fields + field] |= value
    path.write_bytes(content)
    return path


def test_suffixes_may_be_capitals(npy: tuple[Path, Path]) -> None:
    paths = [path.rename(path.with_suffix(path.suffix.upper())) for path in npy]
    np.testing.assert_array_equal(read_embeddings(*paths)[0], vectors())


@pytest.mark.parametrize("text", ["", "0", "1,x", "1.5", "-2", "٣"])
def test_ks_are_whole_numbers_from_1(text: str) -> None:
    assert read_ks("1, 10,10,100") == (1, 10, 100)
    with pytest.raises(ValueError, match=r"--at is .*expected whole numbers from 1"):
        read_ks(text)


def test_no_bit_of_a_file_is_lost(tmp_path: Path) -> None:
    """Vectors that float32 cannot tell apart, the largest labels, and bytes in the other order."""
    double = 1.0 + 1e-9 * vectors().astype(np.float64)
    tensors = {"embeddings": torch.from_numpy(double), "labels": torch.from_numpy(LABELS)}
    save_file(tensors, tmp_path / "d.safetensors")
    np.testing.assert_array_equal(read_embeddings(tmp_path / "d.safetensors", None)[0], double)
    most = 2**63 - 1 - LABELS
    np.savez(tmp_path / "swapped.npz", embeddings=vectors().astype(">f4"), labels=most)
    ((swapped, classes),) = read_sides((tmp_path / "swapped.npz", None), None)
    scores, _ = score_embeddings((swapped, classes), None, (1,), "cosine", quiet)
    expected = summary(rank(torch.from_numpy(vectors()), torch.from_numpy(LABELS)), ks=(1,))
    assert scores == expected


def test_words_for_numbers_are_numbers_beside_numbers(tmp_path: Path) -> None:
    np.savez(tmp_path / "g.npz", embeddings=vectors(1), labels=LABELS)
    np.save(tmp_path / "q.npy", vectors())
    (tmp_path / "q.csv").write_text("".join(f"{label}\n" for label in LABELS))
    queries = tmp_path / "q.npy", tmp_path / "q.csv"
    sides = read_sides(queries, (tmp_path / "g.npz", None))
    assert (sides[0][1] == sides[1][1]).all()
    (tmp_path / "q.csv").write_text("".join(f"0{label}\n" for label in LABELS))
    with pytest.raises(ValueError, match=r"labels of .*q.csv and .*g.npz are words in one"):
        read_sides(queries, (tmp_path / "g.npz", None))
