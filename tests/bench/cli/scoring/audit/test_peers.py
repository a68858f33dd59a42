"""Other libraries beside ours: their numbers on the same embeddings, and why they differ."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from bench.cli.main import app
from bench.cli.scoring.audit import peers
from bench.cli.scoring.audit.checks import search_for_audit
from bench.cli.scoring.audit.peers import Figure, compare_peers, made_same
from bench.cli.scoring.audit.ties import unsettled
from bench.cli.scoring.read_embeddings import Side
from bench.cli.scoring.score import score_embeddings
from bench.datasets.files.work import quiet
from tests.support.own_vectors import LABELS, own_side, saved, vectors

UNIT = vectors() / np.linalg.norm(vectors(), axis=1, keepdims=True)
CLEAN = own_side(UNIT)
LONE = own_side(np.concatenate([UNIT, -UNIT[:1]]), np.append(LABELS, 6))
COPIES = own_side(np.concatenate([UNIT, UNIT[:5]]), np.append(LABELS, LABELS[:5] + 1))
IN_PML = {"recall@1", "r_precision", "map@r"}


def figures(side: Side, library: str) -> dict[str, Figure]:
    """What an installed library gives, by the name of our score."""
    module = pytest.importorskip(library, reason=f"{library} is not installed")
    scores: dict[str, float] = {}
    for found, _ in score_embeddings(side, None, (1,), "cosine", quiet):
        scores |= found
    same = made_same(search_for_audit(side, None, "cosine", lambda *_: None), scores)
    return {one.score: one for one in peers.PEERS[library](library, module, same)}


def average_precision(side: Side, least: float = -2) -> float:
    """Mean over the queries of the precision at each hit, if only cosines above `least` hit."""
    values = []
    for row, label in enumerate(side.classes):
        cosines = side.embeddings @ side.embeddings[row]
        order = np.argsort(-cosines, kind="stable")
        order = order[order != row]
        hits = (side.classes[order] == label) & (cosines[order] > least)
        values.append(np.mean(np.cumsum(hits)[hits] / (np.flatnonzero(hits) + 1)))
    return float(np.mean(values))


@pytest.mark.parametrize(("library", "least"), [("sklearn", -2), ("torchmetrics", 0)])
def test_average_precision_is_of_the_whole_ranking(library: str, least: float) -> None:
    """torchmetrics counts no hit of a cosine of 0 or less."""
    found = figures(CLEAN, library)
    assert (found["recall@1"].theirs, found["recall@1"].why) == (found["recall@1"].ours, "same")
    assert found["map@r"].theirs == pytest.approx(average_precision(CLEAN, least), abs=1e-6)
    assert found["map@r"].theirs > found["map@r"].ours
    assert "over the whole ranking" in found["map@r"].why
    assert ("positives whose cosine is 0 or less" in found["map@r"].why) == (least == 0)


@pytest.mark.parametrize("library", ["sklearn", "faiss", "torchmetrics"])
def test_queries_without_a_positive_count_as_misses(library: str) -> None:
    recall = figures(LONE, library)["recall@1"]
    assert recall.theirs == pytest.approx(recall.ours * 30 / 31)
    assert recall.why == "counts the 1 queries without a positive as misses"


def test_pytorch_metric_learning_compares_distances() -> None:
    found = figures(CLEAN, "pytorch_metric_learning")
    assert {one.score for one in found.values() if one.why == "same"} == IN_PML
    lengths = np.linspace(1, 3, 30, dtype=np.float32)[:, None]
    found = figures(own_side(UNIT * lengths), "pytorch_metric_learning")
    assert "distances of the embeddings as they are" in found["map@r"].why


def test_lengths_within_one_percent_may_decide() -> None:
    """Classes a hundredth of a radian apart, with lengths from 1 to 1.01."""
    generator = np.random.default_rng(0)
    means = np.ones(16) / 4 + 0.002 * generator.normal(size=(20, 16))
    labels = np.repeat(np.arange(20), 10)
    rows = means[labels] + 0.0008 * generator.normal(size=(200, 16))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows *= generator.uniform(1, 1.0098, size=(200, 1))
    found = figures(own_side(rows.astype(np.float32), labels), "pytorch_metric_learning")
    assert found["recall@1"].theirs < found["recall@1"].ours
    assert "distances of the embeddings as they are" in found["recall@1"].why


def test_ties_behind_the_first_neighbor_are_a_reason() -> None:
    """Two orthogonal codes a class: the second and third positive are as near as any negative."""
    codes = np.repeat(np.arange(40), 2)
    side = own_side(np.eye(40, dtype=np.float32)[codes], codes // 2)
    found = figures(side, "pytorch_metric_learning")
    assert found["recall@1"].why == "same"
    assert found["r_precision"].theirs > found["r_precision"].ours
    assert found["r_precision"].why == "orders ties otherwise, which decide 80 queries"


def test_what_rounding_cannot_do_is_not_explained() -> None:
    same = made_same(search_for_audit(CLEAN, None, "cosine", lambda *_: None), {"map@r": 0.5})
    assert same.figure("A", "map@r", 0.4).why == "not explained here"
    near = replace(same, rounded={"recall@1": 0, "map@r": 3})
    assert "near ties of 3 queries" in near.figure("A", "map@r", 0.4).why
    assert near.figure("A", "recall@1", 0.4).why == "not explained here"


DEGREES = torch.tensor([0, 30, -50, -30, 120], dtype=torch.float64)


def counts(labels: list[int], slack: float, degrees: torch.Tensor = DEGREES) -> list[int]:
    """How many of the queries in these directions may have another R@1, R-Precision and MAP@R."""
    angles = torch.deg2rad(degrees)
    units = torch.stack([angles.cos(), angles.sin()], dim=1)
    (found,) = unsettled(units, torch.tensor(labels), [slack])
    return [found[score] for score in ("recall@1", "r_precision", "map@r")]


def test_the_queries_that_ties_decide_are_counted() -> None:
    """The images at 30 and at -30 degrees are equally near to the one at 0."""
    assert counts([0, 0, 0, 1, 2], 0.0) == [0, 0, 0]
    assert counts([0, 0, 0, 1, 2], 1e-9) == [1, 0, 1]  # one of two hits, at rank 1 or 2
    assert counts([0, 0, 2, 1, 3], 1e-9) == [1, 1, 1]  # the only positive
    assert counts([1, 0, 0, 0, 2], 1e-9) == [0, 0, 0]  # has no positive
    assert counts([0, 0, 1, 0, 1], 1e-9) == [0, 0, 0]  # both are positives


def test_ties_behind_the_first_r_count_in_no_class() -> None:
    """The image at 0 has one positive, and a tie at ranks 2 and 3; a larger class has two."""
    degrees = torch.tensor([0, 30, 5, -30, 100], dtype=torch.float64)
    assert counts([0, 0, 1, 1, 1], 1e-9, degrees) == [0, 0, 0]


@pytest.mark.parametrize(("slack", "expected"), [(0.9e-4, 0), (1.1e-4, 1)])
def test_cosines_that_differ_by_a_slack_may_come_in_either_order(
    slack: float, expected: int
) -> None:
    gap = torch.acos(torch.tensor(0.5, dtype=torch.float64) - 1e-4) * 180 / torch.pi
    degrees = torch.tensor([0, 60, -float(gap)], dtype=torch.float64)
    assert counts([0, 0, 1], slack, degrees) == [expected] * 3


@pytest.mark.parametrize(("apart", "expected"), [(2e-6, 1), (1e-4, 0)])
def test_near_ties_in_float32_are_those_of_its_rounding(apart: float, expected: int) -> None:
    negative = np.arccos(0.5 - apart)
    angles = np.array([0, np.pi / 3, -negative, 3.0])
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    side = own_side(rows, np.array([0, 0, 1, 1]))
    same = made_same(search_for_audit(side, None, "cosine", lambda *_: None), {})
    assert same.rounded["recall@1"] == expected
    assert same.tied["recall@1"] == 0


@pytest.mark.parametrize("library", ["sklearn", "faiss"])
def test_the_first_neighbor_may_be_another_image(library: str) -> None:
    """Five copies with another label: ties decide whether a query finds itself first."""
    recall = figures(COPIES, library)["recall@1"]
    assert recall.theirs > recall.ours
    assert re.search(
        "drops the first neighbor as the query itself, which it is not for|ties", recall.why
    )


@pytest.mark.parametrize("library", ["sklearn", "faiss"])
def test_other_clusterings_are_explained(library: str) -> None:
    nmi = figures(CLEAN, library)["nmi"]
    assert 0 < nmi.theirs <= 1
    assert "k-means" in nmi.why or nmi.why == "same"


def test_what_is_not_installed_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only = {"sklearn": peers.PEERS["sklearn"], "no_such_peer": peers.faiss_search}
    monkeypatch.setattr(peers, "PEERS", only)
    printed = CliRunner().invoke(app, ["score", *map(str, saved(tmp_path)), "--audit"]).stdout
    assert "ok    ties: No query has a negative exactly as near" in printed
    assert "│ sklearn " in printed
    assert "Not installed, so not compared: no_such_peer." in printed
    assert printed.count("Lengths go from") == 2  # the note, and the check


def test_where_peers_are_not_compared_it_is_reported(tmp_path: Path) -> None:
    searched = search_for_audit(CLEAN, own_side(UNIT), "cosine", lambda *_: None)
    assert compare_peers(searched, {}) == (
        [],
        [],
        "Other libraries are compared on one set, by cosine, without cameras.",
    )
    views = replace(CLEAN, cameras=np.arange(30) % 2)
    assert compare_peers(search_for_audit(views, None, "cosine", lambda *_: None), {})[2]
    result = CliRunner().invoke(app, ["score", *map(str, saved(tmp_path)), "--dataset", "sop"])
    assert "--dataset needs --audit" in result.output
