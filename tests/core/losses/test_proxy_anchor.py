"""Proxy-Anchor against the paper's formula in plain Python, at its edges, and against a peer."""

import math

import pytest
import torch
from torch import Tensor

from proxy_core.losses.proxy_anchor import ProxyAnchor, proxy_anchor
from tests.support.plain_proxies import CASES, LABELS, Case, points

OWN = CASES["one for each class"]


def plain_loss(
    case: Case, embeddings: Tensor, proxies: Tensor, scale: float, margin: float
) -> float:
    """Equation 4 of the paper; an image that has several proxies counts by its shares."""
    cosines, assigned = case.plain(embeddings, proxies)
    pulls, push = [], 0.0
    for p in range(len(proxies)):
        rows = list(zip(cosines, assigned.positives, assigned.negatives, strict=True))
        own = [
            shares[p] * math.exp(-scale * (row[p] - margin))
            for row, shares, _ in rows
            if p in shares
        ]
        others = [
            math.exp(scale * (row[p] + margin))
            for row, shares, out in rows
            if p in out and p not in shares
        ]
        pulls += [math.log(1 + sum(own))] if own else []
        push += math.log(1 + sum(others))
    return sum(pulls) / len(pulls) + push / len(proxies)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize(("scale", "margin"), [(32.0, 0.1), (1.0, 0.0), (5.0, 1.0)])
def test_the_loss_is_that_of_plain_loops(case: Case, scale: float, margin: float) -> None:
    embeddings, proxies = points(9), points(case.proxies, seed=1)
    value = proxy_anchor(*case.ours(embeddings, proxies), scale=scale, margin=margin)
    expected = plain_loss(case, embeddings, proxies, scale, margin)
    assert value.item() == pytest.approx(expected, rel=1e-12)


def test_a_batch_of_one_class_only_pulls_its_proxy_and_pushes_the_others() -> None:
    loss = ProxyAnchor(5, 4, scale=8.0)
    value = loss(points(9).float(), torch.full((9,), 2))
    (gradient,) = torch.autograd.grad(value, loss.proxies)
    assert gradient.isfinite().all()
    assert gradient.any(dim=1).all()


def test_scales_that_overflow_the_exponential_keep_value_and_gradient() -> None:
    """e^{100 * 1.1} is beyond float32."""
    leaf, proxies = points(9).float().requires_grad_(), points(5, seed=1)
    value = proxy_anchor(*OWN.ours(leaf, proxies.float()), scale=100.0, margin=0.1)
    (gradient,) = torch.autograd.grad(value, leaf)
    assert value.item() == pytest.approx(plain_loss(OWN, points(9), proxies, 100.0, 0.1), rel=1e-5)
    assert gradient.isfinite().all()
    assert gradient.abs().max() > 1


def test_the_module_passes_on_its_proxies_and_settings() -> None:
    loss = ProxyAnchor(5, 4, scale=7.0, margin=0.3).double()
    expected = proxy_anchor(*OWN.ours(points(9), loss.proxies), scale=7.0, margin=0.3)
    torch.testing.assert_close(loss(points(9), torch.tensor(LABELS)), expected)
    assert [name for name, _ in loss.named_parameters()] == ["proxies"]
