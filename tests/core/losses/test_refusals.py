"""What every entry of `LOSSES` refuses: batches that do not fit, arguments out of range."""

import re
from math import inf, nan
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
import pytest
import torch
from annotated_types import Ge, Gt, Le
from torch import nn

from proxy_core.hyper_parameters import allowed
from proxy_core.losses import LOSSES
from tests.core.losses.test_contract import CLASSES, DIM, every_loss, make


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
def test_unknown_arguments_are_refused(name: str) -> None:
    with pytest.raises(TypeError, match="unknown_argument"):
        LOSSES[name](CLASSES, DIM, unknown_argument=1)


def declared(name: str) -> dict[str, Any]:
    """The declared types of a loss's constructor arguments."""
    hints = get_type_hints(LOSSES[name].__init__, include_extras=True)
    return {key: hint for key, hint in hints.items() if key != "return"}


def build(name: str, argument: str, value: object) -> nn.Module:
    arguments = {"num_classes": CLASSES, "embedding_dim": DIM} | {argument: value}
    return LOSSES[name](**arguments)


def beyond(hint: Any) -> list[Any]:
    """Values just outside a declared type, and those of another type."""
    if get_origin(hint) is Literal:
        return ["other", "", None, 1]
    kind, *bounds = get_args(hint)
    values: list[Any] = [inf, -inf, nan, "1", None, True]
    step: Any = 1 if kind is int else 1e-9
    for bound in bounds:
        if isinstance(bound, Gt):
            values += [bound.gt, bound.gt - step]
        else:
            values.append(bound.ge - step if isinstance(bound, Ge) else bound.le + step)
    return [*values, 2.5] if kind is int else values


def within(hint: Any) -> list[Any]:
    """The choices of a declared type, or values at and just inside its ends."""
    if get_origin(hint) is Literal:
        return list(get_args(hint))
    kind, low, *high = get_args(hint)
    lowest = low.ge if isinstance(low, Ge) else low.gt + 1e-6
    return [kind(lowest), kind(high[0].le if high else 1000)]


EACH = [(name, argument) for name in LOSSES for argument in declared(name)]


@pytest.mark.parametrize(("name", "argument"), EACH)
def test_arguments_outside_their_declared_type_are_refused(name: str, argument: str) -> None:
    hint = declared(name)[argument]
    for value in beyond(hint):
        message = f"{argument} is {value!r}: it must be {allowed(hint)}"
        with pytest.raises(ValueError, match=re.escape(message)):
            build(name, argument, value)


@pytest.mark.parametrize(("name", "argument"), EACH)
def test_arguments_at_the_ends_of_their_declared_range_are_taken(name: str, argument: str) -> None:
    if argument == "proxies_per_class":  # with these few classes its ends fail together with them
        assert build(name, argument, 1000)
        return
    for value in within(declared(name)[argument]):
        assert isinstance(build(name, argument, value), nn.Module)


def test_declared_types_in_words() -> None:
    assert allowed(Annotated[float, Gt(0), Le(4)]) == "a number in (0, 4]"
    assert allowed(Annotated[float, Ge(-1)]) == "a number in [-1, inf)"
    assert allowed(Annotated[int, Ge(1), Le(1000)]) == "a whole number in [1, 1000]"
    assert allowed(Literal["a", "b", "c"]) == "'a', 'b' or 'c'"


def test_numbers_of_numpy_are_numbers() -> None:
    loss = LOSSES["soft_triple"](np.int64(3), 2, scale=np.float32(2), centers_per_class=np.int32(2))
    assert isinstance(loss, nn.Module)
