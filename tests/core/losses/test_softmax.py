"""The four softmax losses against plain Python, at the edges of their margins, and a peer."""

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from proxy_core.distances import cosine_similarity
from proxy_core.losses.parts.assignment import static_assignment
from proxy_core.losses.proxy import proxy_nca_softmax
from proxy_core.losses.softmax import (
    ArcFace,
    CosFace,
    NormalizedSoftmax,
    Softmax,
    arcface,
    cosface,
    normalized_softmax,
    softmax,
)


def batch(size: int = 9, classes: int = 5, dim: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    embeddings = torch.randn(size, dim, generator=generator, dtype=torch.float64)
    proxies = torch.randn(classes, dim, generator=generator, dtype=torch.float64)
    return embeddings, torch.randint(0, classes, (size,), generator=generator), proxies


def dot(left: list[float], right: list[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))


def angle(left: list[float], right: list[float]) -> float:
    return math.acos(dot(left, right) / math.hypot(*left) / math.hypot(*right))


def plain_mean(logits: Callable[[list[float], int], list[float]]) -> float:
    """Mean of -log(e^own / sum of e^all) over the batch, logits from an embedding and its label."""
    embeddings, labels, _ = batch()
    total = 0.0
    for x, y in zip(embeddings.tolist(), labels.tolist(), strict=True):
        powers = [math.exp(logit) for logit in logits(x, y)]
        total -= math.log(powers[y] / sum(powers))
    return total / len(labels)


def plain_angular(own: Callable[[float], float], scale: float) -> float:
    """The same with logits s cos(theta), and s own(theta) for the own class."""
    proxies = batch()[2].tolist()

    def logits(x: list[float], y: int) -> list[float]:
        thetas = [angle(x, p) for p in proxies]
        return [scale * (own(t) if c == y else math.cos(t)) for c, t in enumerate(thetas)]

    return plain_mean(logits)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_plain_softmax_is_that_of_plain_loops(smoothing: float) -> None:
    embeddings, labels, weight = batch()
    bias = torch.tensor([0.3, -1.0, 0.0, 2.0, 0.7], dtype=torch.float64)
    total = 0.0
    for x, y in zip(embeddings.tolist(), labels.tolist(), strict=True):
        rows = zip(weight.tolist(), bias.tolist(), strict=True)
        powers = [math.exp(dot(w, x) + b) for w, b in rows]
        for c, power in enumerate(powers):
            target = (1 - smoothing) * (c == y) + smoothing / len(powers)
            total -= target * math.log(power / sum(powers))
    value = softmax(embeddings, labels, weight, bias, label_smoothing=smoothing)
    assert value.item() == pytest.approx(total / len(labels), rel=1e-12)


@pytest.mark.parametrize("temperature", [0.05, 0.5, 2.0])
def test_normalised_softmax_is_that_of_plain_loops_and_proxy_nca_softmax(
    temperature: float,
) -> None:
    value = normalized_softmax(*batch(), temperature=temperature)
    assert value.item() == pytest.approx(plain_angular(math.cos, 1 / temperature), rel=1e-11)
    embeddings, labels, proxies = batch()
    cosines = cosine_similarity(embeddings, proxies)
    assigned = static_assignment(cosines, labels, torch.arange(len(proxies))[:, None])
    same = proxy_nca_softmax(cosines, assigned, scale=1 / temperature)
    torch.testing.assert_close(value, same, rtol=1e-11, atol=0)


@pytest.mark.parametrize("margin", [0.0, 0.5, 1.2, math.pi / 2])
def test_arcface_is_that_of_plain_loops(margin: float) -> None:
    embeddings, labels, proxies = batch()
    own = zip(embeddings.tolist(), proxies[labels].tolist(), strict=True)
    beyond = [angle(x, p) > math.pi - margin for x, p in own]
    assert any(beyond) == (margin > 1)  # both branches are met
    assert not all(beyond)

    def widened(theta: float) -> float:
        if theta <= math.pi - margin:
            return math.cos(theta + margin)
        return math.cos(theta) - margin * math.sin(margin)

    value = arcface(*batch(), scale=7.0, margin=margin)
    assert value.item() == pytest.approx(plain_angular(widened, 7.0), rel=1e-11)


@pytest.mark.parametrize("margin", [0.0, 0.35, 2.0])
def test_cosface_is_that_of_plain_loops(margin: float) -> None:
    value = cosface(*batch(), scale=7.0, margin=margin)
    expected = plain_angular(lambda theta: math.cos(theta) - margin, 7.0)
    assert value.item() == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("margin", [0.1, 0.5, 1.0, math.pi / 2])
def test_arcface_grows_with_the_angle_all_the_way_to_the_opposite(margin: float) -> None:
    """The other proxy is at a right angle to the plane in which the embedding turns."""
    proxies = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    own = torch.tensor([0])
    losses = []
    for theta in torch.linspace(0, math.pi, 181).tolist():
        x = torch.tensor([[math.cos(theta), math.sin(theta), 0.0]], dtype=torch.float64)
        losses.append(arcface(x, own, proxies, scale=4.0, margin=margin).item())
    assert all(near < far for near, far in pairwise(losses))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_arcface_has_a_finite_gradient_on_its_proxy_and_opposite_to_it(
    dtype: torch.dtype, sign: float
) -> None:
    proxies = torch.randn(40, 3, generator=torch.Generator().manual_seed(1)).to(dtype)
    proxies[0] = torch.tensor([0.0, 1.0, 0.0])  # its cosine with itself is exactly 1
    leaf = (sign * proxies).requires_grad_()
    loss = arcface(leaf, torch.arange(40), proxies, scale=64.0, margin=0.5)
    (gradient,) = torch.autograd.grad(loss, leaf)
    assert gradient.isfinite().all()
    assert gradient.abs().max() < 64


def test_what_the_modules_learn_and_the_smoothing_of_labels() -> None:
    embeddings, labels, _ = batch()
    head = Softmax(5, 4, label_smoothing=0.3).double()
    expected = softmax(embeddings, labels, head.head.weight, head.head.bias, label_smoothing=0.3)
    assert torch.equal(head(embeddings, labels), expected)
    assert [name for name, _ in head.named_parameters()] == ["head.weight", "head.bias"]
    for module in (NormalizedSoftmax, ArcFace, CosFace):
        assert [name for name, _ in module(5, 4).named_parameters()] == ["proxies"]
