"""`proxy-bench score`: the numbers, and the command."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from bench.cli.main import app, read_ks
from bench.cli.scoring import score as own_scores
from bench.cli.scoring.read_embeddings import Side, read_sides
from bench.cli.scoring.score import score_embeddings, search
from bench.datasets.files.work import quiet
from proxy_core.metrics.reid import rank_reid, reid_summary
from proxy_core.metrics.retrieval import rank, summary
from tests.support.own_vectors import LABELS, own_side, saved, vectors


def test_scores_are_those_of_the_core(tmp_path: Path) -> None:
    steps: list[tuple[str, int, int | None]] = []
    (side,) = read_sides(saved(tmp_path), None)
    (retrieval, _), (clustering, _) = score_embeddings(
        side, None, (1, 3), "cosine", lambda *step: steps.append(step)
    )
    expected = summary(rank(torch.from_numpy(vectors()), torch.from_numpy(LABELS)), ks=(1, 3))
    assert retrieval == expected
    assert "ami" in clustering
    assert [name for name, done, _ in steps if done == 0] == ["ranking", "clustering"]
    assert [name for name, done, total in steps if done == total] == ["ranking", "clustering"]


def test_distances_are_ranked_without_nmi_and_ami() -> None:
    side = own_side(vectors())
    ((scores, _),) = score_embeddings(side, None, (1,), "euclidean", quiet)
    ranking = rank(torch.from_numpy(vectors()), torch.from_numpy(LABELS), metric="euclidean")
    assert scores == summary(ranking, ks=(1,))


def test_the_command_prints_the_table(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["score", *map(str, saved(tmp_path)), "--at", "1,3"])
    assert result.exit_code == 0, result.output
    assert "30 embeddings of 6 dimensions, 6 classes" in result.output
    assert "│ R@3 " in result.output
    assert "│ NMI " in result.output
    assert "by cosine" in result.output
    result = CliRunner().invoke(app, ["score", *map(str, saved(tmp_path)), "--metric", "euclidean"])
    assert "Compared by distance" in result.output
    assert "│ NMI " not in result.output
    result = CliRunner().invoke(app, ["score", *map(str, saved(tmp_path)), "--metric", "manhattan"])
    assert result.exit_code == 2
    assert "'cosine', 'euclidean'" in result.output


def reid_sides() -> tuple[Side, Side]:
    """Queries and gallery by three cameras, with junk, distractors and an unknown camera."""
    cameras = np.arange(30) % 3
    labels = np.where(LABELS == 5, -1, LABELS)
    gallery = own_side(vectors(1), labels, cameras=np.where(cameras == 2, -1, cameras))
    return own_side(vectors(), LABELS % 5, cameras=cameras), gallery


def test_cameras_apply_the_rule_of_reidentification() -> None:
    queries, gallery = reid_sides()
    ((scores, _),) = score_embeddings(queries, gallery, (1, 5), "cosine", quiet)
    sides = [
        torch.from_numpy(array)
        for side in (queries, gallery)
        for array in (side.embeddings, side.classes, side.cameras)
        if array is not None
    ]
    assert scores == reid_summary(rank_reid(*sides), ks=(1, 5))
    assert "map_trapezoidal" in scores
    with pytest.raises(ValueError, match="cameras go with cosines only"):
        list(score_embeddings(queries, gallery, (1,), "euclidean", quiet))
    one = own_side(vectors(), cameras=np.zeros(30, np.int64))
    with pytest.raises(ValueError, match="no query has a gallery image of its class by another"):
        list(score_embeddings(one, None, (1,), "cosine", quiet))


def test_the_search_with_cameras_reports_its_progress() -> None:
    reports: list[tuple[int, int]] = []
    search(*reid_sides(), "cosine", lambda *report: reports.append(report))
    assert reports == [(0, 30)]


def test_queries_without_any_positive_are_explained() -> None:
    words = np.char.add("Heron ", LABELS.astype(str))
    gallery = own_side(vectors(1), np.char.lower(words))
    gallery = replace(gallery, classes=gallery.classes + 6)
    with pytest.raises(
        ValueError, match=r"queries is 'Heron 0', of the gallery 'heron 0'\. Labels"
    ):
        list(score_embeddings(own_side(vectors(), words), gallery, (1,), "cosine", quiet))


def test_ids_leave_a_query_out_of_its_own_search() -> None:
    ids = np.arange(30)
    shuffled = np.random.default_rng(0).permutation(30)
    gallery = own_side(vectors()[shuffled], LABELS[shuffled], ids=shuffled)
    ((scores, _),) = score_embeddings(own_side(vectors(), ids=ids), gallery, (1,), "cosine", quiet)
    (among_themselves, _), _ = score_embeddings(own_side(vectors()), None, (1,), "cosine", quiet)
    assert scores == pytest.approx(among_themselves)
    ((scores, _),) = score_embeddings(own_side(vectors()), gallery, (1,), "cosine", quiet)
    assert scores["recall@1"] == 1.0


def test_the_command_reads_ids_and_cameras_from_columns(tmp_path: Path) -> None:
    cameras = np.arange(30) % 2
    rows = [
        f"{i}.jpg,{label},c{camera}"
        for i, (label, camera) in enumerate(zip(LABELS, cameras, strict=True))
    ]
    (tmp_path / "q.csv").write_text("\n".join(["ID,Label,Camera", *rows]))
    (tmp_path / "g.csv").write_text(
        "\n".join(["id,label", *(row.rsplit(",", 1)[0] for row in rows)])
    )
    queries = [str(saved(tmp_path)[0]), str(tmp_path / "q.csv")]
    result = CliRunner().invoke(app, ["score", *queries])
    assert result.exit_code == 0, result.output
    assert "6 classes, 2 cameras" in result.output
    assert "mAP trapezoidal" in result.output
    np.savez(tmp_path / "g.npz", embeddings=vectors())
    gallery = ["--gallery", str(tmp_path / "g.npz"), "--gallery-labels", str(tmp_path / "g.csv")]
    result = CliRunner().invoke(app, ["score", *queries, *gallery])
    assert "one has cameras, the other has none" in str(result.exception)
    (tmp_path / "q.csv").write_text((tmp_path / "g.csv").read_text())
    result = CliRunner().invoke(app, ["score", *queries, *gallery])
    assert "30 of 30 queries are in the gallery and do not find themselves" in result.output


@pytest.mark.parametrize("stage", ["rank", "cluster_scores"])
def test_an_interrupt_prints_the_scores_so_far(
    stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(own_scores, stage, stopped)
    result = CliRunner().invoke(app, ["score", *map(str, saved(tmp_path))])
    assert result.exit_code == 130
    assert ("R@1" in result.stdout) == (stage == "cluster_scores")
    assert "nmi" not in result.stdout
    assert "Stopped: " in result.stderr


@pytest.mark.parametrize("text", ["", "0", "1,x", "1.5", "-2", "٣"])
def test_ks_are_whole_numbers_from_1(text: str) -> None:
    assert read_ks("1, 10,10,100") == (1, 10, 100)
    with pytest.raises(ValueError, match=r"--at is .*expected whole numbers from 1"):
        read_ks(text)
