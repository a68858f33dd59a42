"""The four softmax losses against pytorch-metric-learning, value and gradients."""

import math
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from proxy_core.losses.softmax import arcface, cosface, normalized_softmax, softmax


@pytest.fixture(scope="module")
def peer() -> ModuleType:
    found: ModuleType = pytest.importorskip(
        "pytorch_metric_learning.losses", reason="the peer is not installed"
    )
    return found


def batch() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    embeddings = torch.randn(30, 4, generator=generator, dtype=torch.float64)
    proxies = torch.randn(6, 4, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 5, (30,), generator=generator)  # class 5 is absent
    return embeddings.requires_grad_(), labels, proxies.requires_grad_()


def check_equal(ours: Tensor, embeddings: Tensor, proxies: Tensor, theirs: nn.Module) -> None:
    """Its W is (D, C)."""
    labels = batch()[1]
    theirs.W = nn.Parameter(proxies.detach().T.clone())
    leaf = embeddings.detach().clone().requires_grad_()
    value = theirs(leaf, labels)
    torch.testing.assert_close(ours, value, rtol=1e-10, atol=0)
    ours_gradients = torch.autograd.grad(ours, [embeddings, proxies])
    gradient, transposed = torch.autograd.grad(value, [leaf, *theirs.parameters()])
    torch.testing.assert_close(ours_gradients[0], gradient, rtol=1e-7, atol=1e-12)
    torch.testing.assert_close(ours_gradients[1], transposed.T, rtol=1e-7, atol=1e-12)


@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")  # the peer's own
def test_plain_softmax_is_its_large_margin_softmax_without_a_margin(peer: ModuleType) -> None:
    """It has no plain softmax; its angle multiplied by 1 is one, and has no bias."""
    embeddings, labels, weight = batch()
    bias = torch.zeros(6, dtype=torch.float64)
    ours = softmax(embeddings, labels, weight, bias, label_smoothing=0.0)
    check_equal(ours, embeddings, weight, peer.LargeMarginSoftmaxLoss(6, 4, margin=1, scale=1))


@pytest.mark.parametrize("temperature", [0.05, 1.0])
def test_normalised_softmax_is_the_same(peer: ModuleType, temperature: float) -> None:
    embeddings, labels, proxies = batch()
    ours = normalized_softmax(embeddings, labels, proxies, temperature=temperature)
    check_equal(ours, embeddings, proxies, peer.NormalizedSoftmaxLoss(6, 4, temperature))


@pytest.mark.parametrize("degrees", [0.0, 28.6, 70.0])
def test_arcface_is_the_same_with_the_margin_in_degrees(peer: ModuleType, degrees: float) -> None:
    embeddings, labels, proxies = batch()
    ours = arcface(embeddings, labels, proxies, scale=16.0, margin=math.radians(degrees))
    theirs = peer.ArcFaceLoss(6, 4, margin=degrees, scale=16.0)
    check_equal(ours, embeddings, proxies, theirs)


@pytest.mark.parametrize("margin", [0.0, 0.35])
def test_cosface_is_the_same(peer: ModuleType, margin: float) -> None:
    embeddings, labels, proxies = batch()
    ours = cosface(embeddings, labels, proxies, scale=16.0, margin=margin)
    check_equal(ours, embeddings, proxies, peer.CosFaceLoss(6, 4, margin=margin, scale=16.0))
