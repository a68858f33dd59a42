"""What every entry of `LOSSES` refuses: batches that do not fit, settings out of range."""

import re

import pytest
import torch
from torch import nn

from proxy_core.losses import LOSSES
from tests.test_losses_contract import CLASSES, DIM, every_loss, make


@every_loss
@pytest.mark.parametrize(
    ("embeddings", "labels", "message"),
    [
        ((3, DIM + 1), [0, 1, 2], r"embeddings have shape \(3, 7\): expected \(B, 6\)"),
        ((DIM,), [0], r"embeddings have shape \(6,\)"),
        ((3, DIM), [0, 1], r"labels have shape \(2,\): expected \(3,\)"),
        ((3, DIM), [[0], [1], [2]], r"labels have shape \(3, 1\)"),
        ((0, DIM), [], r"batch is empty \(B = 0\)"),
        ((3, DIM), [0, 1, 4], r"labels span 0\.\.4: expected 0\.\.3 for 4 classes"),
        ((3, DIM), [-1, 1, 2], r"labels span -1\.\.2"),
        ((3, DIM), [0.0, 1.0, 2.0], r"labels are of type torch.float32: expected torch.int64"),
    ],
)
def test_other_batches_are_refused(
    name: str, embeddings: tuple[int, ...], labels: list[int], message: str
) -> None:
    numbers = torch.tensor(labels) if labels else torch.zeros(0, dtype=torch.int64)
    with pytest.raises(ValueError, match=message):
        make(name)(torch.zeros(embeddings), numbers)


@every_loss
def test_integer_embeddings_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"embeddings are of type torch.int64"):
        make(name)(torch.zeros(2, DIM, dtype=torch.int64), torch.tensor([0, 1]))


@every_loss
def test_bad_sizes_and_unknown_arguments_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="num_classes is 0"):
        LOSSES[name](0, DIM)
    with pytest.raises(ValueError, match="embedding_dim is 0"):
        LOSSES[name](CLASSES, 0)
    with pytest.raises(TypeError, match="unknown_argument"):
        LOSSES[name](CLASSES, DIM, unknown_argument=1)


@pytest.mark.parametrize(
    ("name", "argument", "values"),
    [
        ("proxy_nca", "scale", [0.0, -1.0, float("inf"), float("nan")]),
        ("proxy_nca_softmax", "scale", [0.0, -1.0, float("inf"), float("nan")]),
        ("triplet", "margin", [0.0, -0.1, 4.1, float("nan")]),
        ("center", "weight", [-0.1, float("inf"), float("nan")]),
        ("center", "center_rate", [-0.1, 1.1, float("nan")]),
    ],
)
def test_hyper_parameters_out_of_range_are_refused(
    name: str, argument: str, values: list[float]
) -> None:
    for value in values:
        with pytest.raises(ValueError, match=re.escape(f"{argument} is {value}: it must lie in ")):
            LOSSES[name](CLASSES, DIM, **{argument: value})


@pytest.mark.parametrize(
    ("name", "argument", "value"),
    [("triplet", "margin", 4.0), ("center", "weight", 0.0), ("center", "center_rate", 0.0)],
)
def test_closed_ends_of_ranges_are_allowed(name: str, argument: str, value: float) -> None:
    assert isinstance(LOSSES[name](CLASSES, DIM, **{argument: value}), nn.Module)
