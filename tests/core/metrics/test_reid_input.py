"""Re-identification: what is refused, and the protocol's genuine lists."""

import csv
from collections import Counter
from pathlib import Path

import pytest
import torch
from torch import Tensor

from proxy_core.metrics.reid import rank_reid, reid_summary


def test_bad_input_is_refused() -> None:
    x, y = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 0, 1, 1])
    with pytest.raises(ValueError, match="neighbors is -1: expected 0 or more"):
        rank_reid(x, y, y, x, y, y, neighbors=-1)
    with pytest.raises(ValueError, match=r"cameras of queries are torch.int64 of shape \(3,\)"):
        rank_reid(x, y, y[:3], x, y, y)
    with pytest.raises(ValueError, match=r"cameras of gallery are torch.float32"):
        rank_reid(x, y, y, x, y, y.float())
    with pytest.raises(ValueError, match=r"cameras of gallery go down to -2"):
        rank_reid(x, y, y, x, y, y - 2)
    with pytest.raises(ValueError, match=r"1 queries and 0 of 4 gallery items have label -1"):
        rank_reid(x, torch.tensor([0, -1, 1, 1]), y, x, y, y)
    with pytest.raises(ValueError, match=r"0 queries and 4 of 4 gallery items have label -1"):
        rank_reid(x, y, y, x, torch.full((4,), -1), y)
    with pytest.raises(ValueError, match=r"gallery hold NaN or infinity in 4 of 4 rows"):
        rank_reid(x, y, y, x * torch.nan, y, y)
    with pytest.raises(ValueError, match=r"queries have shape \(0, 3\)"):
        rank_reid(x[:0], y[:0], y[:0], x, y, y)
    with pytest.raises(ValueError, match=r"labels of gallery are torch.int64 of shape \(3,\)"):
        rank_reid(x, y, y, x, y[:3], y[:3])
    with pytest.raises(ValueError, match="gallery: 2 dimensions, queries: 3"):
        rank_reid(x, y, y, x[:, :2], y, y)


def test_no_query_with_a_relevant_item_is_an_error() -> None:
    labels, camera = torch.arange(3), torch.zeros(3).long()
    ranking = rank_reid(torch.eye(3), labels, camera, torch.eye(3), labels, camera)
    with pytest.raises(ValueError, match="none of 3 queries has a relevant item"):
        reid_summary(ranking)


def market(root: Path, part: str) -> tuple[Tensor, Tensor]:
    """Labels and cameras of a genuine list: 0001,query/0001_c1s1_001051_00.jpg"""
    path = root / "market1501" / f"market1501_{part}.csv"
    if not path.exists():
        pytest.skip(f"{path} is missing")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    cameras = [int(name.rsplit("/", 1)[1].split("_c")[1][0]) for _, name in rows]
    return torch.tensor([int(label) for label, _ in rows]), torch.tensor(cameras)


def test_every_query_of_market_1501_has_a_relevant_item(data_root: Path) -> None:
    """One code for each identity scores one, though all junk (codes[-1]) looks like number 1501."""
    (labels, cameras), (answers, others) = market(data_root, "query"), market(data_root, "test")
    assert (len(labels), len(answers)) == (3368, 19732)
    codes = torch.randn(1502, 16, generator=torch.Generator().manual_seed(0))
    ranking = rank_reid(codes[labels], labels, cameras, codes[answers], answers, others)
    people = Counter(answers.tolist())
    views = Counter(zip(answers.tolist(), others.tolist(), strict=True))
    pairs = zip(labels.tolist(), cameras.tolist(), strict=True)
    assert ranking.relevant.tolist() == [people[a] - views[a, camera] for a, camera in pairs]
    scores = reid_summary(ranking)
    assert scores.pop("queries_without_relevant") == 0
    assert set(scores.values()) == {1.0}
