"""Both forms of Proxy-NCA against the paper's formula in plain Python, and against a peer."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from proxy_core.losses.proxy import ProxyNCA, ProxyNCASoftmax, proxy_nca, proxy_nca_softmax


def batch(size: int = 9, classes: int = 5, dim: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    embeddings = torch.randn(size, dim, generator=generator, dtype=torch.float64)
    proxies = torch.randn(classes, dim, generator=generator, dtype=torch.float64)
    return embeddings, torch.randint(0, classes, (size,), generator=generator), proxies


def stretched(vector: list[float], length: float) -> list[float]:
    return [length * value / math.hypot(*vector) for value in vector]


def plain_loss(
    embedding: Tensor, label: int, proxies: Tensor, lengths: tuple[float, float], own: bool
) -> float:
    """-log(e^-d(x, p_y) / sum of e^-d(x, p_z)), d squared Euclidean; own: p_y in the sum too."""
    x = stretched(embedding.tolist(), lengths[0])
    terms = [math.exp(-(math.dist(x, stretched(p, lengths[1])) ** 2)) for p in proxies.tolist()]
    return -math.log(terms[label] / sum(t for z, t in enumerate(terms) if own or z != label))


def plain_mean(
    embeddings: Tensor, labels: Tensor, proxies: Tensor, lengths: tuple[float, float], own: bool
) -> float:
    rows = zip(embeddings, labels.tolist(), strict=True)
    losses = [plain_loss(x, y, proxies, lengths, own) for x, y in rows]
    return sum(losses) / len(losses)


@pytest.mark.parametrize("lengths", [(1.0, 1.0), (3.0, 3.0), (1.0, 9.0), (2.0, 0.25)])
def test_scale_is_twice_the_product_of_the_lengths_in_the_papers_formula(
    lengths: tuple[float, float],
) -> None:
    scale = 2 * lengths[0] * lengths[1]
    paper = proxy_nca(*batch(), scale=scale)
    softmax = proxy_nca_softmax(*batch(), scale=scale)
    assert paper.item() == pytest.approx(plain_mean(*batch(), lengths, own=False), rel=1e-12)
    assert softmax.item() == pytest.approx(plain_mean(*batch(), lengths, own=True), rel=1e-12)


def test_the_softmax_form_is_softplus_of_the_papers_form_for_each_sample() -> None:
    embeddings, labels, proxies = batch()
    for index in range(len(labels)):
        one = slice(index, index + 1)
        paper = proxy_nca(embeddings[one], labels[one], proxies, scale=18.0)
        softmax = proxy_nca_softmax(embeddings[one], labels[one], proxies, scale=18.0)
        torch.testing.assert_close(softmax, F.softplus(paper), rtol=1e-12, atol=1e-14)


def test_the_papers_form_is_negative_at_its_optimum() -> None:
    """Proxies at the corners of a simplex, embeddings on them: cosines are 1 and -1/(C - 1)."""
    classes, scale = 10, 18.0
    corners = torch.eye(classes, dtype=torch.float64) - 1 / classes
    loss = proxy_nca(corners, torch.arange(classes), corners, scale=scale)
    optimum = math.log(classes - 1) - scale * (1 + 1 / (classes - 1))
    assert optimum < 0
    assert loss.item() == pytest.approx(optimum, rel=1e-12)


def test_lengths_do_not_matter() -> None:
    embeddings, labels, proxies = batch()
    for formula in (proxy_nca, proxy_nca_softmax):
        plain = formula(embeddings, labels, proxies, scale=7.0)
        scaled = formula(5.0 * embeddings, labels, proxies / 3.0, scale=7.0)
        torch.testing.assert_close(plain, scaled)


def test_a_sample_whose_probability_underflows_keeps_its_loss_and_gradient() -> None:
    embeddings = torch.tensor([[-1.0, 0.1]], requires_grad=True)
    proxies = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    loss = proxy_nca_softmax(embeddings, torch.tensor([0]), proxies, scale=100.0)
    (gradient,) = torch.autograd.grad(loss, embeddings)
    assert loss.item() == pytest.approx(200 / math.hypot(1, 0.1), rel=1e-5)
    assert gradient.abs().max() > 1


def test_the_papers_form_needs_two_classes() -> None:
    with pytest.raises(ValueError, match="num_classes is 1: this loss needs at least 2"):
        ProxyNCA(1, 4)
    assert ProxyNCASoftmax(1, 4)(torch.ones(2, 4), torch.tensor([0, 0])).item() == 0.0


def test_the_modules_pass_on_their_proxies_and_scale() -> None:
    embeddings, labels, _ = batch()
    for module, formula in ((ProxyNCA, proxy_nca), (ProxyNCASoftmax, proxy_nca_softmax)):
        loss = module(5, 4, scale=7.0).double()
        expected = formula(embeddings, labels, loss.proxies, scale=7.0)
        assert torch.equal(loss(embeddings, labels), expected)
        assert [name for name, _ in loss.named_parameters()] == ["proxies"]


def test_proxies_start_at_length_about_one() -> None:
    torch.manual_seed(0)
    lengths = ProxyNCA(2000, 64).proxies.norm(dim=1)
    assert lengths.square().mean().item() == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("softmax_scale", [1.0, 9.0])
def test_the_softmax_form_equals_pytorch_metric_learning(softmax_scale: float) -> None:
    """Its `softmax_scale` multiplies squared distances of unit vectors, hence scale = 2 * it."""
    peer = pytest.importorskip("pytorch_metric_learning.losses", reason="the peer is not installed")
    embeddings, labels, proxies = batch()
    theirs = peer.ProxyNCALoss(5, 4, softmax_scale=softmax_scale)
    theirs.proxies.data = proxies.clone()
    ours = proxy_nca_softmax(embeddings, labels, proxies, scale=2 * softmax_scale)
    torch.testing.assert_close(ours, theirs(embeddings, labels).detach(), rtol=1e-10, atol=0)
