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
    near = replace(same, rounded=(0, 3))
    assert "near ties of 3 queries" in near.figure("A", "map@r", 0.4).why
    assert near.figure("A", "recall@1", 0.4).why == "not explained here"


def test_the_queries_that_ties_decide_are_counted() -> None:
    """Of directions: the negative at -30 degrees is as near to 0 as the positive at 30."""
    degrees = torch.deg2rad(torch.tensor([0, 30, -50, -30], dtype=torch.float64))
    units = torch.stack([degrees.cos(), degrees.sin()], dim=1)
    labels = torch.tensor([0, 0, 0, 1])
    assert unsettled(units, labels, 0.0) == (0, 0)
    assert unsettled(units, labels, 1e-9) == (1, 1)
    assert unsettled(units, labels[[3, 0, 1, 2]], 1e-9) == (0, 0)
    assert unsettled(units, labels, 3.0) == (3, 3)


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
