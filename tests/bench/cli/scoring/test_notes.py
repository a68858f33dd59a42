"""Notes of `proxy-bench score`: each misleading input is named, and clean ones are not."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from bench.cli.scoring.notes import cameras_note, notes
from bench.cli.scoring.read_embeddings import Side
from bench.cli.scoring.score import search
from proxy_core.metrics.retrieval import Metric
from tests.support.own_vectors import LABELS, own_side, vectors

UNIT = vectors() / np.linalg.norm(vectors(), axis=1, keepdims=True)
CLEAN = own_side(UNIT)
BESIDE = "NMI and AMI, which are of one set, are left out beside a gallery."


def said(
    queries: Side,
    gallery: Side | None = None,
    ks: tuple[int, ...] = (1, 8),
    metric: Metric = "cosine",
) -> list[str]:
    """The notes, but for the one that every search in a gallery has."""
    ranking = search(queries, gallery, metric, lambda *_: None)
    return [note for note in notes(queries, gallery, ks, metric, ranking) if note != BESIDE]


def test_clean_embeddings_have_no_note() -> None:
    assert said(CLEAN) == []
    other = own_side(vectors(1) / np.linalg.norm(vectors(1), axis=1, keepdims=True))
    assert said(CLEAN, other) == []
    generator = np.random.default_rng(0)
    for dimensions in (2, 3, 4, 64):  # in a plane, many are almost equal by chance
        noise = generator.normal(size=(2000, dimensions))
        noise /= np.linalg.norm(noise, axis=1, keepdims=True)
        assert said(own_side(noise.astype(np.float32), np.arange(2000) // 4)) == []


def test_a_note_explains_that_labels_are_in_the_order_of_lines() -> None:
    (note,) = said(replace(own_side(UNIT), unused_arrays=("view", "paths")))
    assert note == "Arrays that are not used: view, paths."
    (note,) = said(replace(own_side(UNIT), in_lines=True))
    assert "labels are taken in the order of their lines" in note


def test_a_note_explains_that_lengths_do_not_count() -> None:
    (note,) = said(own_side(vectors()))
    assert "by cosine only their directions count" in note
    tiny = 1e-200 * UNIT.astype(np.float64)
    assert said(own_side(tiny)) == []
    tiny[0] *= 3
    assert "from 1e-200 to 3e-200" in said(own_side(tiny))[0]
    small = UNIT.astype(np.float64) * np.linspace(1, 1 + 2e-5, 30)[:, None]
    assert "Lengths go from 1 to 1.00002:" in said(own_side(small))[0]
    assert said(own_side(small.astype(np.float16))) == []  # which rounds as much
    assert said(own_side(UNIT.astype(np.float64))) == []  # made in float32
    (note,) = said(own_side(vectors()), metric="euclidean")
    assert note.startswith("Compared by distance")


@pytest.mark.parametrize(("factor", "noted"), [(100, True), (0.01, True), (2, False), (0.5, False)])
def test_two_scales_spoil_distances(factor: float, noted: bool) -> None:
    gallery = own_side((factor * vectors(1)).astype(np.float32))
    notes = said(own_side(vectors()), gallery, metric="euclidean")
    assert any("scaled alike" in note for note in notes) == noted
    assert not any("scaled alike" in note for note in said(CLEAN, gallery))


@pytest.mark.parametrize(("scale", "noted"), [(1e-6, True), (1e-2, False)])
def test_half_precision_loses_the_digits_of_small_numbers(scale: float, noted: bool) -> None:
    for kind, expected in ((np.float16, noted), (np.float32, False)):
        notes = said(own_side((scale * vectors()).astype(kind)))
        assert any("float16 loses digits" in note for note in notes) == expected


def test_notes_count_zeros_on_both_sides() -> None:
    zeros = vectors()
    zeros[:2] = 0
    assert "2 of 30 embeddings are zero" in said(own_side(zeros))[1]
    others = np.where(zeros == 0, 0, vectors(1))
    (note,) = said(CLEAN, own_side(others))
    assert note == "2 of 60 embeddings are zero, without direction."
    assert not any("zero" in note for note in said(own_side(zeros), metric="euclidean"))


COPIES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "the same bits": lambda rows: rows,
    "float16": lambda rows: rows.astype(np.float16),
    "bfloat16": lambda rows: torch.from_numpy(rows).bfloat16().float().numpy(),
    "a factor": lambda rows: rows * 7.3,
    "another batch": lambda rows: rows * (1 + 1e-7 * vectors(2)[: len(rows)]),
    "float64": lambda rows: rows.astype(np.float64) / 3,
}


@pytest.mark.parametrize("change", COPIES.values(), ids=COPIES)
def test_queries_that_find_themselves_are_counted(
    change: Callable[[np.ndarray], np.ndarray],
) -> None:
    gallery = np.concatenate([vectors(1)[:20], change(UNIT[:9])])
    labels = np.concatenate([LABELS[:20], LABELS[:9]])
    (note,) = said(CLEAN, own_side(gallery, labels))
    assert note.startswith("9 of 30 queries have a gallery image of almost the same embedding (1 -")
    assert "'ids'" in note
    (note,) = said(own_side(np.concatenate([gallery, UNIT]), np.concatenate([labels, LABELS])))[-1:]
    assert note.startswith("18 of 59 embeddings have another one that is almost equal")


def test_classes_that_have_collapsed_are_counted_as_copies() -> None:
    points = np.eye(6)[LABELS] + 1e-4 * vectors()
    (note,) = said(own_side(points / np.linalg.norm(points, axis=1, keepdims=True)))
    assert note.startswith("30 of 30 embeddings have another one that is almost equal")
    assert "collapsed" in note


def test_one_dimension_has_two_directions_only() -> None:
    column = own_side(np.sign(vectors()[:, :1]))
    assert said(column) == [
        "One dimension has two directions only; --metric euclidean compares distances."
    ]
    (note,) = said(own_side(vectors()[:, :1]), metric="euclidean")
    assert note.startswith("Compared by distance")


def test_copies_are_counted_by_distance_too() -> None:
    gallery = np.concatenate([vectors(1), vectors()[:4].astype(np.float16)])
    _, note = said(
        own_side(vectors()), own_side(gallery, np.append(LABELS, LABELS[:4])), metric="euclidean"
    )
    assert note.startswith("4 of 30 queries have a gallery image")
    assert "squared distance" in note


@pytest.mark.parametrize("swapped", [False, True])
def test_ids_of_one_side_alone_are_said_to_leave_nothing_out(swapped: bool) -> None:
    other = vectors(1) / np.linalg.norm(vectors(1), axis=1, keepdims=True)
    with_ids, without_ids = own_side(UNIT, ids=np.arange(30)), own_side(other)
    notes = said(without_ids, with_ids) if swapped else said(with_ids, without_ids)
    one, without = ("gallery", "queries") if swapped else ("queries", "gallery")
    assert f"Ids of the {one} leave nothing out, without ids of the {without}." in notes


def test_ids_say_what_they_leave_out() -> None:
    queries = own_side(UNIT, ids=np.arange(30))
    assert said(queries, own_side(UNIT, ids=np.arange(30))) == [
        "30 of 30 queries are in the gallery and do not find themselves."
    ]
    (copies,) = said(queries, own_side(UNIT, ids=np.arange(30) + 30))
    assert copies.startswith("30 of 30 queries have a gallery image of another id and almost")
    _, copies = said(queries, own_side(UNIT))
    assert "give both sides an array 'ids'" in copies


@pytest.mark.parametrize(
    ("cameras", "found"),
    [
        (np.arange(30), "30 cameras for 30 images (every image has its own camera), so that the"),
        (np.arange(30) * 40, "30 cameras for 30 images (every image has its own camera), so that"),
        (np.arange(30) // 1.5, "20 cameras for 30 images (almost none repeats), so that the rule"),
        (np.r_[np.arange(25), [0] * 5], "25 cameras for 30 images (almost none repeats), so that"),
        (np.arange(30) % 6, ""),
        (np.arange(30) // 2, ""),
    ],
)
@pytest.mark.parametrize("numbered", ["both", "queries", "gallery"])
def test_cameras_that_number_the_images_are_noticed(
    cameras: np.ndarray, found: str, numbered: str
) -> None:
    right = np.arange(30) % 2
    numbers = cameras.astype(np.int64)
    queries = own_side(UNIT, cameras=right if numbered == "gallery" else numbers)
    gallery = own_side(UNIT, cameras=right if numbered == "queries" else numbers)
    notes = [note for note in said(queries, gallery) if "cameras for" in note]
    assert [note[: len(found)] for note in notes] == [found] * bool(found)


def test_cameras_that_number_the_images_are_noticed_without_a_gallery() -> None:
    notes = said(own_side(UNIT, cameras=np.arange(30)))
    assert any(note.startswith("30 cameras for 30 images (every image") for note in notes)


@pytest.mark.parametrize(("first", "noted"), [(2, True), (1, False)])
def test_cameras_that_the_sides_do_not_share_are_noticed(first: int, noted: bool) -> None:
    queries = own_side(UNIT, cameras=np.arange(30) % 2)
    gallery = own_side(UNIT, cameras=first + np.arange(30) % 2)
    assert any("No camera is on both sides" in note for note in said(queries, gallery)) == noted


def test_nine_images_may_be_of_nine_cameras() -> None:
    side = own_side(UNIT[:9], cameras=np.arange(9))
    assert cameras_note([side]) == ""


def test_cameras_leave_no_copy_of_their_own() -> None:
    cameras = np.arange(30) % 2
    queries = own_side(UNIT, cameras=cameras)
    rule = "Images of a query's class by its own camera are ignored, as in re-identification; "
    rule += "without cameras all are searched."
    assert said(queries, own_side(UNIT, cameras=cameras)) == [rule]
    _, note = said(queries, own_side(UNIT, cameras=1 - cameras))
    assert note.startswith("30 of 30 queries have a gallery image of another camera or class and")


@pytest.mark.parametrize("scale", [0.0, 1e-7, 1e-4, 1e-3])
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_a_collapse_is_said_instead_of_copies(scale: float, metric: Metric) -> None:
    collapsed = 1 + scale * UNIT.astype(np.float64)
    *_, note = said(own_side(collapsed), metric=metric)
    assert note.startswith(
        "All embeddings are equal" if scale == 0 else "All embeddings are almost"
    )
    assert "copies" not in note


@pytest.mark.parametrize(
    "word", ["nan", "None", "NULL", "<NA>", "?", "N/A", "NaT", "\\N", "-2147483648", "\x1bNaN"]
)
def test_words_for_a_missing_label_are_counted(word: str) -> None:
    words = np.where(LABELS == 2, word, np.char.add("c", LABELS.astype(str)))
    (note,) = said(own_side(UNIT, words))
    assert f"{word!r} (5 images)" in note
    assert "Nanday parakeet" not in str(
        said(own_side(UNIT, np.where(LABELS == 2, "Nanday parakeet", words)))
    )


@pytest.mark.parametrize(
    "pair",
    [
        ("Heron", "heron"),
        ("a b", "a_b"),
        ("heron", "he\u200bron"),
        ("3a", "\uff13a"),
        ("1.5", "01.50"),
    ],
)
def test_labels_that_look_alike_are_counted(pair: tuple[str, str]) -> None:
    words = np.char.add("class ", LABELS.astype(str)).astype("U20")
    words[:3], words[3:5] = pair
    (note,) = said(own_side(UNIT, words))
    assert note.startswith("Labels that look alike count as different classes: ")
    assert f"{pair[0]!a} (3 images)" in note
    assert f"{pair[1]!a} (2 images)" in note


def test_labels_that_look_alike_on_two_sides_are_counted() -> None:
    """Queries and gallery write the classes in two ways, so that nothing is found."""
    words = np.char.add("class ", LABELS.astype(str))
    gallery = np.append(np.char.upper(words), words)
    (note,) = said(
        own_side(UNIT, words), own_side(np.concatenate([vectors(1), vectors(2)]), gallery)
    )
    assert "'CLASS 0' (5 images) and 'class 0' (10 images); " in note
    assert note.endswith("and 3 more. Write each one way.")


def test_labels_of_minus_one_are_a_class_or_junk() -> None:
    labels = np.where(LABELS == 5, -1, LABELS)
    (note,) = said(own_side(UNIT, labels))
    assert note.startswith("5 labels are -1, which counts as a class")
    assert said(Side(UNIT, LABELS, LABELS, junk=7)) == ["7 images of label -1 (junk) are left out."]
    assert "3 labels are left out" in said(Side(UNIT, LABELS, LABELS, unused=3))[0]


@pytest.mark.parametrize(
    ("classes", "ks", "constant"),
    [
        (LABELS, (1, 25), None),
        (LABELS, (1, 26, 30), "R@26, R@30"),
        (np.arange(30) % 2, (8, 16), "R@16"),  # 15 negatives
        (np.append(np.zeros(27), [1, 1, 1]).astype(int), (8, 27), None),  # 27 for the small class
        (
            np.append(np.zeros(27), [1, 2, 3]).astype(int),
            (2, 3, 4),
            "R@4",
        ),  # others have no positive
    ],
)
def test_recalls_that_any_embedding_has_are_named(
    classes: np.ndarray, ks: tuple[int, ...], constant: str | None
) -> None:
    found = said(own_side(UNIT, classes), ks=ks)
    assert [note.split(":")[0] for note in found] == ([constant] if constant else [])
    worst = search(own_side(np.ones((30, 6)), classes), None, "cosine", lambda *_: None)
    if constant:
        assert int(worst.first_hit.max()) <= int(constant.split("@")[-1])


def test_recall_beyond_a_gallery_is_named() -> None:
    (note,) = said(CLEAN, own_side(vectors(1)[:10], LABELS[:10]), ks=(1, 5, 6, 10, 100))
    assert note.startswith("R@6, R@10, R@100: 1 for any embeddings")
    assert "more than 5 images of other classes" in note
