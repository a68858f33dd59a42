"""`proxy-bench score`: the numbers, the notes beside them, and the command."""

from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from bench.cli import score as own_scores
from bench.cli.main import app, read_ks
from bench.cli.read_embeddings import read_sides
from bench.cli.score import lengths_note, notes, score_embeddings
from bench.datasets.files.work import quiet
from proxy_core.metrics.retrieval import rank, summary
from tests.support.own_vectors import LABELS, saved, vectors


def test_scores_are_those_of_the_core(tmp_path: Path) -> None:
    steps: list[tuple[str, int, int | None]] = []
    (side,) = read_sides(saved(tmp_path), None)
    retrieval, clustering = score_embeddings(
        side, None, (1, 3), "cosine", lambda *step: steps.append(step)
    )
    expected = summary(rank(torch.from_numpy(vectors()), torch.from_numpy(LABELS)), ks=(1, 3))
    assert retrieval == expected
    assert "ami" in clustering
    assert [name for name, done, _ in steps if done == 0] == ["ranking", "clustering"]
    assert [name for name, done, total in steps if done == total] == ["ranking", "clustering"]


def test_a_note_explains_that_lengths_do_not_count() -> None:
    unit = vectors() / np.linalg.norm(vectors(), axis=1, keepdims=True)
    assert lengths_note((unit, LABELS), "cosine") == ""
    assert "by cosine only their directions count" in lengths_note((vectors(), LABELS), "cosine")
    tiny = 1e-200 * unit.astype(np.float64)
    assert lengths_note((tiny, LABELS), "cosine") == ""
    tiny[0] *= 3
    assert "from 1e-200 to 3e-200" in lengths_note((tiny, LABELS), "cosine")


def test_notes_warn_of_misleading_scores() -> None:
    side = (vectors(), LABELS)
    (_, note) = notes(side, (vectors(1), LABELS), "cosine")
    assert "left out beside a gallery" in note
    (*_, note) = notes(side, (vectors()[:9], LABELS[:9]), "cosine")
    assert "9 of 30 queries are also in the gallery" in note
    (note,) = notes((np.ones((30, 6)), LABELS), None, "cosine")
    assert "All embeddings are equal" in note
    zeros = vectors()
    zeros[:2] = 0
    assert "2 of 30 embeddings are zero" in notes((zeros, LABELS), None, "cosine")[1]


def test_distances_are_ranked_without_nmi_and_ami() -> None:
    side = (vectors(), LABELS)
    (scores,) = score_embeddings(side, None, (1,), "euclidean", quiet)
    ranking = rank(torch.from_numpy(vectors()), torch.from_numpy(LABELS), metric="euclidean")
    assert scores == summary(ranking, ks=(1,))
    assert "compared by distance" in lengths_note(side, "euclidean").lower()


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
