"""A user's embeddings and labels: files that are read, and mistakes that are refused."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file as save_numpy
from safetensors.torch import save_file

from bench.cli.scoring.notes import label_counts, look_alikes_note
from bench.cli.scoring.read_embeddings import read_embeddings, read_sides
from bench.cli.scoring.score import score_embeddings
from bench.datasets.files.work import quiet
from proxy_core.metrics.retrieval import rank, summary
from tests.support.own_vectors import LABELS, saved, vectors

ONE_WORD = ("é", "e\u0301")  # composed and decomposed
WORDS = np.array([f"{ONE_WORD[i % 2]} {label}" + " " * (i % 2) for i, label in enumerate(LABELS)])
NUMBERS = [str(label) for label in LABELS]


@pytest.fixture
def embeddings(tmp_path: Path) -> Path:
    return saved(tmp_path)[0]


def test_every_kind_of_file_gives_the_same(tmp_path: Path, embeddings: Path) -> None:
    np.savez(tmp_path / "both.NPZ", embeddings=vectors(), labels=LABELS)
    (tmp_path / "both.NPZ.npz").rename(tmp_path / "both.NPZ")
    tensors = {"embeddings": torch.from_numpy(vectors()), "labels": torch.from_numpy(LABELS)}
    save_file(tensors, tmp_path / "both.safetensors")
    np.save(tmp_path / "labels.npy", LABELS.astype(np.uint8))
    np.save(tmp_path / "words.npy", WORDS)
    lines = [f"{i}.jpg,{word}\n" for i, word in enumerate(WORDS)]
    (tmp_path / "words.csv").write_text("\ufeffpath,Label\n" + "".join(lines) + "\n\n", "utf-8")
    np.savez(tmp_path / "bytes.npz", labels=np.char.encode(WORDS, "utf-8"))
    for name in ("labels.csv", "labels.npy", "words.npy", "words.csv", "bytes.npz"):
        (side,) = read_sides((embeddings, tmp_path / name), None)
        np.testing.assert_array_equal(side.embeddings, vectors())
        np.testing.assert_array_equal(side.classes, LABELS)
    for name in ("both.NPZ", "both.safetensors"):
        (side,) = read_sides((tmp_path / name, None), None)
        np.testing.assert_array_equal(side.embeddings, vectors())
        np.testing.assert_array_equal(side.classes, LABELS)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2])
def test_small_floating_point_is_read(dtype: torch.dtype, tmp_path: Path) -> None:
    small = torch.from_numpy(vectors()).to(dtype)
    labels = torch.from_numpy(LABELS).to(dtype)
    save_file({"embeddings": small, "labels": labels}, tmp_path / "small.safetensors")
    (side,) = read_sides((tmp_path / "small.safetensors", None), None)
    np.testing.assert_array_equal(side.embeddings, small.float().numpy())
    np.testing.assert_array_equal(side.classes, LABELS)


def test_a_gallery_has_the_classes_of_the_same_labels(tmp_path: Path) -> None:
    """The gallery lacks class 0, so its first class is not the first of the queries."""
    np.savez(tmp_path / "q.npz", embeddings=vectors(), labels=LABELS)
    np.savez(tmp_path / "g.npz", embeddings=vectors(1)[5:], labels=LABELS[5:].astype(str))
    queries, gallery = read_sides((tmp_path / "q.npz", None), (tmp_path / "g.npz", None))
    np.testing.assert_array_equal(queries.classes, LABELS)
    np.testing.assert_array_equal(gallery.classes, LABELS[5:])
    ((scores, _),) = score_embeddings(queries, gallery, (1,), "cosine", quiet)
    assert scores["queries_without_relevant"] == 5
    unit, others = (
        side.embeddings / np.linalg.norm(side.embeddings, axis=1, keepdims=True)
        for side in (queries, gallery)
    )
    nearest = gallery.classes[(unit @ others.T).argmax(axis=1)]
    assert scores["recall@1"] == pytest.approx(np.mean((nearest == LABELS)[5:]))
    np.savez(tmp_path / "g.npz", embeddings=vectors(1), labels=[f"0{label}" for label in LABELS])
    queries, gallery = read_sides((tmp_path / "q.npz", None), (tmp_path / "g.npz", None))
    with pytest.raises(ValueError, match=r"no query has another image .* Labels that look alike"):
        list(score_embeddings(queries, gallery, (1,), "cosine", quiet))


def test_no_bit_of_a_file_is_lost(tmp_path: Path) -> None:
    """Vectors that float32 cannot distinguish, the largest labels, and the other byte order."""
    double = 1.0 + 1e-9 * vectors().astype(np.float64)
    save_file({"embeddings": torch.from_numpy(double)}, tmp_path / "d.safetensors")
    np.testing.assert_array_equal(read_embeddings(tmp_path / "d.safetensors"), double)
    largest = 2**63 - 1 - LABELS
    np.savez(tmp_path / "swapped.npz", embeddings=vectors().astype(">f4"), labels=largest)
    (side,) = read_sides((tmp_path / "swapped.npz", None), None)
    (scores, _), _ = score_embeddings(side, None, (1,), "cosine", quiet)
    expected = summary(rank(torch.from_numpy(vectors()), torch.from_numpy(LABELS)), ks=(1,))
    assert scores == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": LABELS[:29]}, r"labels have shape \(29,\); expected one for each of 30"),
        ({"labels": LABELS[:, None]}, r"labels have shape \(30, 1\)"),
        ({"labels": LABELS[:0]}, r"labels have shape \(0,\)"),
        ({"labels": LABELS[0]}, r"labels have shape \(\)"),
        ({"labels": np.where(LABELS == 2, np.inf, LABELS)}, "in row 10 is inf .float64"),
        (
            {"labels": np.where(LABELS == 2, np.nan, LABELS)},
            "5 of 30 labels are missing .NaN., the first in row 10",
        ),
        ({"labels": LABELS + 0.5}, "in row 0 is 0.5 .float64., which is not a whole number"),
        ({"labels": (LABELS + 2**11).astype(np.float16)}, "in row 0 is 2048.0 .float16"),
        (
            {"labels": np.uint64(2**63) + LABELS.astype(np.uint64)},
            "in row 0 is 9223372036854775808",
        ),
        ({"labels": LABELS + 2.0**60}, r"in row 0 is 1\.15.*not exact in this type"),
        ({"labels": LABELS > 2}, "labels are bool; expected whole numbers or words"),
        ({"labels": LABELS * 0 + 3}, "all 30 labels are equal; scores need two classes"),
        ({"labels": np.arange(30)}, "all 30 labels differ"),
        ({"labels": np.where(LABELS == 2, "  ", WORDS)}, "the label in row 10 is empty"),
        ({"labels": np.array([b"\xe9"] * 30)}, "labels are bytes, but not UTF-8"),
        ({"labels": np.array([{}] * 30)}, "cannot be read .*holds Python objects"),
        ({"embeddings": vectors().astype(np.longdouble)}, "embeddings are .*; expected floating"),
        ({"embeddings": vectors()[:, 0]}, r"embeddings have shape \(30,\)"),
        ({"embeddings": LABELS.reshape(30, 1)}, "are int64; expected floating point"),
        ({"embeddings": vectors() * np.nan}, "30 of 30 embeddings hold NaN .* in row 0"),
        ({"embeddings": np.array([{}] * 30)}, "cannot be read .*holds Python objects"),
        ({"labels": None}, "has no array 'labels', but embeddings"),
    ],
)
def test_arrays_that_cannot_be_scored_are_named(
    change: dict[str, np.ndarray | None], message: str, tmp_path: Path
) -> None:
    arrays = {"embeddings": vectors(), "labels": LABELS, **change}
    kept = {name: array for name, array in arrays.items() if array is not None}
    np.savez(tmp_path / "x.npz", **kept)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=f"x.npz.*{message}"):
        read_sides((tmp_path / "x.npz", None), None)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "is empty: expected one label per line"),
        (["path,class", *("1,2" for _ in LABELS)], "has the columns path, class: call one of them"),
        (["label,Label", *("1,2" for _ in LABELS)], "call one of them, and no other, 'label'"),
        (["path,label"], "holds a heading only"),
        (["head", *WORDS], r"labels have shape \(31,\); .*a heading must be called 'label'"),
        (["class", *NUMBERS[1:]], "first line is 'class' and all others are numbers"),
        (["class", *WORDS[1:]], "first line is 'class' and all others are other words"),
        (["# labels", *WORDS[1:]], "first line is '# labels' and all others are other words"),
        (["class", *WORDS[2:], '""'], "line 30: there is no label"),
        (["a", "", *WORDS[2:]], "a mistake:\n  line 2: there is no label"),
        (["", *WORDS[1:]], "line 1: there is no label"),
        (["path,label", "1,a", "2, "], "line 3: there is no label"),
        (["a", "b, 0", "b, 1"], "2 mistakes:\n  line 2: 2 fields under a single column"),
        (["path,label", "1,a", "2"], "line 3: 1 field under 2 columns"),
        (
            ["path;label", *(f"{i};{n}" for i, n in enumerate(NUMBERS))],
            "every line has a semicolon",
        ),
        ([f"{i};{n}" for i, n in enumerate(NUMBERS)], "every line has a semicolon"),
        ([f"{i}\t{n}" for i, n in enumerate(NUMBERS)], "every line has a tab"),
        (["a", '"b'], "line 2: this is not CSV .unexpected end of data"),
        (["-1.0", *NUMBERS[1:-1], "-1"], "the labels '-1' and '-1.0' are one number"),
        (NUMBERS[1:], r"labels have shape \(29,\)"),
    ],
)
def test_text_that_could_give_wrong_scores_is_refused(
    lines: list[str], message: str, tmp_path: Path, embeddings: Path
) -> None:
    (tmp_path / "x.csv").write_text("\n".join(lines), "utf-8")
    with pytest.raises(ValueError, match=f"x.csv(?s:.)*{message}"):
        read_sides((embeddings, tmp_path / "x.csv"), None)


@pytest.mark.parametrize(
    ("word", "encoding", "message"),
    [
        ("c", "utf-16", "this is UTF-16 or UTF-32; save the file as UTF-8"),
        ("c", "utf-16-le", "this is UTF-16 or UTF-32; save the file as UTF-8"),
        ("ö", "latin-1", "line 1: the byte 0xf6 is not UTF-8, but perhaps Latin-1"),
    ],
)
def test_text_in_another_encoding_is_refused(
    word: str, encoding: str, message: str, tmp_path: Path, embeddings: Path
) -> None:
    (tmp_path / "x.txt").write_text("\n".join(f"{word}{label}" for label in LABELS), encoding)
    with pytest.raises(ValueError, match=message):
        read_sides((embeddings, tmp_path / "x.txt"), None)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.npy", b"no array", "cannot be read as .npy .*damaged"),
        ("x.npy", b"", "cannot be read as .npy"),
        ("x.npz", b"PK\x03\x04 and no more", "cannot be read as .npz"),
        ("x.safetensors", b"no tensors", "cannot be read as .safetensors"),
        ("x.json", b"[1]", "holds no arrays: expected .npy, .npz, .safetensors"),
    ],
)
def test_files_that_are_not_what_they_seem_are_refused(
    name: str, content: bytes, message: str, tmp_path: Path, embeddings: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{name} {message}"):
        read_sides((embeddings, tmp_path / name), None)


@pytest.mark.parametrize(
    ("offset", "value", "message"),
    [(0, 1, "encrypted"), (2, 99, "compression method"), (8, 1, "CRC")],
    ids=["encrypted", "unknown compression", "damaged"],
)
def test_archives_that_cannot_be_unpacked_are_refused(
    offset: int, value: int, message: str, tmp_path: Path, embeddings: Path
) -> None:
    """Another value of a field in both headers of the archive's entry."""
    np.savez(tmp_path / "x.npz", labels=LABELS)
    content = bytearray((tmp_path / "x.npz").read_bytes())
    for mark, fields in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + fields + offset] ^= value
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(ValueError, match=f"x.npz cannot be read as .npz .*{message}"):
        read_sides((embeddings, tmp_path / "x.npz"), None)


def test_missing_files_and_labels_are_named(tmp_path: Path, embeddings: Path) -> None:
    with pytest.raises(ValueError, match=r"e\.npy holds embeddings only: name the file"):
        read_sides((embeddings, None), None)
    for name in ("none.csv", "none.npy"):
        with pytest.raises((ValueError, OSError), match=f"{name}|No such file"):
            read_sides((embeddings, tmp_path / name), None)


def written(path: Path, heading: str, rows: Sequence[Sequence[object]]) -> Path:
    """A .csv file with these rows."""
    path.write_text("\n".join([heading, *(",".join(map(str, row)) for row in rows)]), "utf-8")
    return path


def test_ids_match_labels_with_embeddings(tmp_path: Path) -> None:
    """The labels are in another order, and there are more of them."""
    ids = np.array([f"{i:03}.jpg" for i in range(30)])
    np.savez(tmp_path / "e.npz", embeddings=vectors(), ids=ids, labels=LABELS[::-1])
    rows: list[tuple[object, ...]] = [*zip(ids, LABELS, strict=True), ("more.jpg", 9)]
    shuffled = [rows[i] for i in np.random.default_rng(0).permutation(31)]
    labels = written(tmp_path / "l.csv", "Id,Label", shuffled)
    (side,) = read_sides((tmp_path / "e.npz", labels), None)
    np.testing.assert_array_equal(side.labels, LABELS.astype(str))
    assert side.unused == 1
    np.savez(tmp_path / "l.npz", labels=LABELS[::-1], ids=ids[::-1], cameras=np.arange(30))
    (side,) = read_sides((tmp_path / "e.npz", tmp_path / "l.npz"), None)
    np.testing.assert_array_equal(side.classes, LABELS)
    np.testing.assert_array_equal(side.cameras, np.arange(30)[::-1])
    for change, message in (
        (rows[1:], r"l.csv: 1 of 30 ids of .*e.npz are not there, the first is '000.jpg'"),
        ([*rows, rows[0]], "l.csv: 1 ids are given more than once"),
        ([(name.removesuffix(".jpg"), 1) for name in ids], r"30 of 30 ids .*\(there is 000\)"),
    ):
        written(labels, "id,label", change)
        with pytest.raises(ValueError, match=message):
            read_sides((tmp_path / "e.npz", labels), None)


@pytest.mark.parametrize(("first", "separator"), [("sep=,", ","), ("sep=;", ";")])
@pytest.mark.parametrize("suffix", ["csv", "txt"])
def test_a_first_line_may_name_the_separator(
    first: str, separator: str, suffix: str, tmp_path: Path, embeddings: Path
) -> None:
    lines = [f"{label}{separator}{i}" for i, label in enumerate(LABELS)]
    path = tmp_path / f"labels.{suffix}"
    path.write_text("\n".join([first, f"label{separator}id", *lines]))
    (side,) = read_sides((embeddings, path), None)
    assert side.labels.tolist() == [str(label) for label in LABELS]


@pytest.mark.parametrize(
    ("heading", "words", "in_lines"),
    [
        ("path", ["a/1.jpg", "a/2.jpg", "a/10.jpg"], False),
        ("path", ["a/1.jpg", "a/10.jpg", "a/2.jpg"], False),
        ("path", ["a/2.jpg", "a/10.jpg", "a/1.jpg"], True),
        ("", ["2", "0", "1"], True),  # the index of a table that pandas shuffled
        ("index", ["2", "0", "1"], True),
        ("n", ["3", "1", "2"], True),
        ("index", ["0", "1", "2"], False),
        ("width", ["2", "0.5", "1"], False),
        ("width", ["640", "320", "480"], False),
        ("species", ["b", "a", "b"], False),
    ],
)
def test_labels_beside_shuffled_names_of_images_are_noticed(
    heading: str, words: list[str], in_lines: bool, tmp_path: Path
) -> None:
    array, table = tmp_path / "x.npy", tmp_path / "labels.csv"
    np.save(array, np.eye(3, dtype=np.float32))
    lines = [f"{heading},label", *(f"{word},{n % 2}" for n, word in enumerate(words))]
    table.write_text("\n".join(lines))
    (side,) = read_sides((array, table), None)
    assert side.in_lines == in_lines


@pytest.mark.parametrize(("step", "in_lines"), [(1, False), (7, True)])
def test_labels_with_ids_that_match_nothing_are_taken_in_their_order(
    step: int, in_lines: bool, tmp_path: Path, embeddings: Path
) -> None:
    rows = [(step * i % 30, label) for i, label in enumerate(LABELS)]
    (side,) = read_sides((embeddings, written(tmp_path / "l.csv", "id,label", rows)), None)
    np.testing.assert_array_equal(side.classes, LABELS)
    assert side.in_lines == in_lines


def test_ids_are_equal_across_kinds_of_files(tmp_path: Path, embeddings: Path) -> None:
    rows: list[tuple[object, ...]] = list(zip(LABELS, range(100, 130), strict=True))
    queries = written(tmp_path / "q.csv", "labels,ids", rows)
    np.savez(tmp_path / "g.npz", embeddings=vectors(), labels=LABELS, ids=np.arange(110, 140))
    with pytest.raises(ValueError, match="20 images have one label as query and another"):
        read_sides((embeddings, queries), (tmp_path / "g.npz", None))
    np.savez(tmp_path / "g.npz", embeddings=vectors(), labels=LABELS, ids=np.arange(100, 130.0))
    sides = read_sides((embeddings, queries), (tmp_path / "g.npz", None))
    np.testing.assert_array_equal(sides[0].ids, sides[1].ids)


@pytest.mark.parametrize("by_ids", [False, True])
def test_cameras_of_two_files_must_agree(by_ids: bool, tmp_path: Path) -> None:
    cameras = np.arange(30) % 3
    columns = {"embeddings": vectors(), "cameras": cameras}
    columns |= {"ids": np.arange(30)} if by_ids else {}
    save_numpy(columns, tmp_path / "e.safetensors")
    order = np.arange(30)[::-1] if by_ids else np.arange(30)
    heading = f"{'id,' * by_ids}label,camera\n"

    def write(found: np.ndarray) -> None:
        rows = [f"{f'{n},' * by_ids}{LABELS[n]},{found[n]}\n" for n in order]
        (tmp_path / "l.csv").write_text(heading + "".join(rows))

    write(cameras)
    (side,) = read_sides((tmp_path / "e.safetensors", tmp_path / "l.csv"), None)
    assert side.cameras is not None
    write(np.where(np.arange(30) > 27, 7, cameras))
    with pytest.raises(ValueError, match=r"2 images different cameras, .* row 28: '1' and '7'"):
        read_sides((tmp_path / "e.safetensors", tmp_path / "l.csv"), None)


def test_cameras_leave_junk_out(tmp_path: Path) -> None:
    labels = np.where(LABELS == 1, -1, LABELS)
    cameras = np.array(["c1", "c2", "-1"])[np.arange(30) % 3]
    np.savez(tmp_path / "q.npz", embeddings=vectors(), labels=LABELS, cameras=cameras)
    np.savez(tmp_path / "g.npz", embeddings=vectors(), labels=labels, cameras=cameras)
    queries, gallery = read_sides((tmp_path / "q.npz", None), (tmp_path / "g.npz", None))
    assert gallery.junk == 5
    np.testing.assert_array_equal(gallery.classes, queries.classes[LABELS != 1])
    np.testing.assert_array_equal(
        queries.cameras, np.array([0, 1, -1])[np.arange(30) % 3] + [1, 1, 0] * 10
    )
    np.savez(tmp_path / "g.npz", embeddings=vectors(), labels=labels)
    (side,) = read_sides((tmp_path / "g.npz", None), None)
    np.testing.assert_array_equal(side.classes == -1, labels == -1)  # a class like any other
    assert side.junk == 0


@pytest.mark.parametrize("junk", ["-1", "-1.0"])
def test_junk_may_be_a_word(junk: str, tmp_path: Path, embeddings: Path) -> None:
    rows = [(junk if label == 5 else f"p{label}", i % 2) for i, label in enumerate(LABELS)]
    (side,) = read_sides((embeddings, written(tmp_path / "l.csv", "label,camera", rows)), None)
    assert (side.junk, len(side.embeddings)) == (5, 25)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ids": np.arange(30) // 2}, "the id '0' is given to 2 images; an id names one image"),
        ({"ids": np.array(["a", *"a" * 29])}, "the id 'a' is given to 30 images"),
        ({"ids": np.array(["7", "7.0", *map(str, range(8, 36))])}, "ids '7' and '7.0' are one"),
        ({"cameras": np.array(["3", "03"] * 15)}, "the cameras '03' and '3' are one number"),
        ({"ids": np.arange(29)}, r"ids have shape \(29,\); expected one for each of 30"),
        ({"ids": np.where(LABELS == 2, np.nan, 1)}, "5 of 30 ids are missing .NaN., .* row 10"),
        ({"cameras": np.arange(60)}, r"cameras have shape \(60,\)"),
        ({"cameras": LABELS + 0.5}, "the camera in row 0 is 0.5 .float64., which is not a whole"),
        ({"cameras": np.array([""] * 30)}, "the camera in row 0 is empty"),
        ({"cameras": LABELS - 1}, "5 cameras are unknown .-1.; without a gallery every camera"),
        ({"cameras": LABELS, "labels": LABELS * 0 - 1}, "all 30 images have the label -1"),
    ],
)
def test_ids_and_cameras_that_mislead_are_refused(
    change: dict[str, np.ndarray], message: str, tmp_path: Path
) -> None:
    arrays = {"embeddings": vectors(), "labels": LABELS, **change}
    np.savez(tmp_path / "x.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=f"x.npz.*{message}"):
        read_sides((tmp_path / "x.npz", None), None)


def test_labels_and_ids_differ_as_they_are_written(tmp_path: Path) -> None:
    labels = np.array(["3", "03", "3.0"])[np.arange(30) % 3]
    ids = np.array(["7", "007", *map(str, range(8, 36))])
    np.savez(tmp_path / "x.npz", embeddings=vectors(), labels=labels, ids=ids)
    (side,) = read_sides((tmp_path / "x.npz", None), None)
    assert len(np.unique(side.classes)) == 3
    assert side.ids is not None
    assert len(np.unique(side.ids)) == 30
    assert look_alikes_note(label_counts([side])).startswith(
        "Labels that look alike count as different classes: '03' (10 images) and '3' (10 images) "
    )


def test_images_on_both_sides_must_be_left_out_by_the_camera(tmp_path: Path) -> None:
    arrays = {"embeddings": vectors(), "labels": LABELS, "ids": np.arange(30)}
    for camera, other in ((0, 7), (0, -1), (-1, -1)):
        for name, first in (("q.npz", camera), ("g.npz", other)):
            cameras = np.append(first, np.arange(1, 30))
            np.savez(tmp_path / name, cameras=cameras, **arrays)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="1 images are query and gallery, but the camera is"):
            read_sides((tmp_path / "q.npz", None), (tmp_path / "g.npz", None))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["id,label", "1,a", ",b"], "line 3: there is no id"),
        (["label,camera", "a,1", "b,"], "line 3: there is no camera"),
        (["id,ids,label", "1,1,a"], "call one of them, and no other, 'id'"),
        (["id,camera", "1,1"], "call one of them, and no other, 'label'"),
    ],
)
def test_columns_that_mislead_are_refused(
    lines: list[str], message: str, tmp_path: Path, embeddings: Path
) -> None:
    (tmp_path / "x.csv").write_text("\n".join(lines))
    with pytest.raises(ValueError, match=f"x.csv(?s:.)*{message}"):
        read_sides((embeddings, tmp_path / "x.csv"), None)


def test_float16_that_overflows_is_explained(tmp_path: Path) -> None:
    large = vectors()
    large[3] = 1e5
    with np.errstate(over="ignore"):
        np.save(tmp_path / "e.npy", large.astype(np.float16))
    with pytest.raises(ValueError, match=r"row 3 \(float16 holds nothing above 65,504"):
        read_embeddings(tmp_path / "e.npy")


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_arrays_may_be_called_like_columns_and_others_are_named(
    suffix: str, tmp_path: Path
) -> None:
    def written(name: str, **more: np.ndarray) -> Path:
        arrays = {"embeddings": vectors(), "labels": LABELS, **more}
        path = tmp_path / f"{name}{suffix}"
        if suffix == ".npz":
            np.savez(path, **arrays)  # type: ignore[arg-type]
        else:
            save_numpy(arrays, path)
        return path

    ids, cameras = np.arange(30), np.arange(30) % 3
    plural, singular, other = (
        read_sides((path, None), None)[0]
        for path in (
            written("plural", ids=ids, cameras=cameras),
            written("singular", id=ids, camera=cameras),
            written("other", view=cameras),
        )
    )
    assert singular.ids is not None
    assert singular.cameras is not None
    np.testing.assert_array_equal(singular.ids, plural.ids)
    np.testing.assert_array_equal(singular.cameras, plural.cameras)
    assert plural.unused_arrays == singular.unused_arrays == ()
    assert other.unused_arrays == ("view",)
    with pytest.raises(ValueError, match=r"has the arrays cameras and camera; leave one of them"):
        read_sides((written("both", cameras=cameras, camera=cameras), None), None)
