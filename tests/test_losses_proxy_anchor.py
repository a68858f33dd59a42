"""Proxy-Anchor against the paper's formula in plain Python, at its edges, and against a peer."""

import math

import pytest
import torch
from torch import Tensor

from proxy_core.losses.proxy_anchor import ProxyAnchor, proxy_anchor


def batch() -> tuple[Tensor, Tensor, Tensor]:
    """Class sizes 3, 0, 1, 5 and 0."""
    generator = torch.Generator().manual_seed(6)
    embeddings = torch.randn(9, 4, generator=generator, dtype=torch.float64)
    proxies = torch.randn(5, 4, generator=generator, dtype=torch.float64)
    return embeddings, torch.tensor([3, 0, 3, 2, 0, 3, 3, 0, 3]), proxies


def cosine(left: list[float], right: list[float]) -> float:
    product = sum(a * b for a, b in zip(left, right, strict=True))
    return product / math.hypot(*left) / math.hypot(*right)


def plain_loss(
    embeddings: Tensor, labels: Tensor, proxies: Tensor, scale: float, margin: float
) -> float:
    """Equation 4 of the paper."""
    rows = list(zip(embeddings.tolist(), labels.tolist(), strict=True))
    pull = push = 0.0
    for c, p in enumerate(proxies.tolist()):
        own = [math.exp(-scale * (cosine(x, p) - margin)) for x, y in rows if y == c]
        others = [math.exp(scale * (cosine(x, p) + margin)) for x, y in rows if y != c]
        pull += math.log(1 + sum(own))
        push += math.log(1 + sum(others))
    return pull / len(set(labels.tolist())) + push / len(proxies)


@pytest.mark.parametrize(("scale", "margin"), [(32.0, 0.1), (1.0, 0.0), (5.0, 1.0)])
def test_the_loss_is_that_of_plain_loops(scale: float, margin: float) -> None:
    value = proxy_anchor(*batch(), scale=scale, margin=margin)
    assert value.item() == pytest.approx(plain_loss(*batch(), scale, margin), rel=1e-12)


def test_a_batch_of_one_class_only_pulls_its_proxy_and_pushes_the_others() -> None:
    embeddings, _, proxies = batch()
    labels = torch.full((9,), 2)
    leaf = proxies.requires_grad_()
    value = proxy_anchor(embeddings, labels, leaf, scale=8.0, margin=0.1)
    assert value.item() == pytest.approx(plain_loss(embeddings, labels, proxies, 8.0, 0.1))
    (gradient,) = torch.autograd.grad(value, leaf)
    assert gradient.isfinite().all()
    assert gradient.any(dim=1).all()


def test_scales_that_overflow_the_exponential_keep_value_and_gradient() -> None:
    """e^{100 * 1.1} is beyond float32."""
    embeddings, labels, proxies = batch()
    leaf = embeddings.float().requires_grad_()
    value = proxy_anchor(leaf, labels, proxies.float(), scale=100.0, margin=0.1)
    (gradient,) = torch.autograd.grad(value, leaf)
    assert value.item() == pytest.approx(plain_loss(*batch(), 100.0, 0.1), rel=1e-5)
    assert gradient.isfinite().all()
    assert gradient.abs().max() > 1


def test_lengths_do_not_matter() -> None:
    embeddings, labels, proxies = batch()
    plain = proxy_anchor(embeddings, labels, proxies, scale=32.0, margin=0.1)
    scaled = proxy_anchor(5 * embeddings, labels, proxies / 3, scale=32.0, margin=0.1)
    torch.testing.assert_close(plain, scaled)


def test_the_module_passes_on_its_proxies_and_settings() -> None:
    embeddings, labels, _ = batch()
    loss = ProxyAnchor(5, 4, scale=7.0, margin=0.3).double()
    expected = proxy_anchor(embeddings, labels, loss.proxies, scale=7.0, margin=0.3)
    assert torch.equal(loss(embeddings, labels), expected)
    assert [name for name, _ in loss.named_parameters()] == ["proxies"]


@pytest.mark.parametrize(
    ("argument", "value"), [("scale", 0.0), ("scale", math.inf), ("margin", -0.1), ("margin", 1.1)]
)
def test_settings_out_of_range_are_refused(argument: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{argument} is {value}: it must lie in "):
        ProxyAnchor(5, 4, **{argument: value})


@pytest.mark.parametrize("scale", [8.0, 32.0])
def test_value_and_gradients_equal_pytorch_metric_learning(scale: float) -> None:
    peer = pytest.importorskip("pytorch_metric_learning.losses", reason="the peer is not installed")
    embeddings, labels, proxies = batch()
    theirs = peer.ProxyAnchorLoss(5, 4, margin=0.1, alpha=scale)
    theirs.proxies.data = proxies.clone()
    ours_inputs = [embeddings.clone().requires_grad_(), proxies.clone().requires_grad_()]
    ours = proxy_anchor(ours_inputs[0], labels, ours_inputs[1], scale=scale, margin=0.1)
    leaf = embeddings.clone().requires_grad_()
    other = theirs(leaf, labels)
    torch.testing.assert_close(ours, other, rtol=1e-10, atol=0)
    ours_gradients = torch.autograd.grad(ours, ours_inputs)
    peer_gradients = torch.autograd.grad(other, [leaf, theirs.proxies])
    torch.testing.assert_close(ours_gradients, peer_gradients, rtol=1e-7, atol=1e-12)
