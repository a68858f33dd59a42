"""Proxy-NCA in all its forms against the paper's formula in plain Python, and against a peer."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from proxy_core.distances import cosine_similarity
from proxy_core.losses.parts.assignment import Assignment, static_assignment
from proxy_core.losses.proxy import (
    ProxyNCA,
    ProxyNCAPlusPlus,
    ProxyNCASoftmax,
    initial_proxies,
    nca_gaps,
    proxy_nca,
    proxy_nca_softmax,
)
from tests.support.plain_proxies import CASES, LABELS, Case, points

every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def own_proxies(embeddings: Tensor, proxies: Tensor) -> tuple[Tensor, Assignment]:
    """Cosines and assignment with one proxy for each class, under `LABELS`."""
    cosines = cosine_similarity(embeddings, proxies)
    members = torch.arange(len(proxies))[:, None]
    return cosines, static_assignment(cosines, torch.tensor(LABELS[: len(embeddings)]), members)


def stretched(vector: list[float], length: float) -> list[float]:
    return [length * value / math.hypot(*vector) for value in vector]


def plain_loss(
    case: Case, embeddings: Tensor, proxies: Tensor, lengths: tuple[float, float], own: bool
) -> float:
    """-log(e^-d(x, p) / sum of e^-d(x, q)), d squared Euclidean; own: p in the sum too."""
    _, assigned = case.plain(embeddings, proxies)
    total = shares = 0.0
    for i, x in enumerate(embeddings.tolist()):
        ends = [stretched(p, lengths[1]) for p in proxies.tolist()]
        terms = [math.exp(-(math.dist(stretched(x, lengths[0]), p) ** 2)) for p in ends]
        for p, share in assigned.positives[i].items():
            rivals = [terms[q] for q in assigned.negatives[i] if q != p]
            if rivals or own:
                total -= share * math.log(terms[p] / (sum(rivals) + own * terms[p]))
                shares += share
    return total / shares


@every_case
@pytest.mark.parametrize("lengths", [(1.0, 1.0), (3.0, 3.0), (1.0, 9.0), (2.0, 0.25)])
def test_scale_is_twice_the_product_of_the_lengths_in_the_papers_formula(
    case: Case, lengths: tuple[float, float]
) -> None:
    embeddings, proxies = points(9), points(case.proxies, seed=1)
    scale = 2 * lengths[0] * lengths[1]
    paper = proxy_nca(*case.ours(embeddings, proxies), scale=scale)
    softmax = proxy_nca_softmax(*case.ours(embeddings, proxies), scale=scale)
    plain = plain_loss(case, embeddings, proxies, lengths, own=False)
    plain_softmax = plain_loss(case, embeddings, proxies, lengths, own=True)
    assert paper.item() == pytest.approx(plain, rel=1e-11)
    assert softmax.item() == pytest.approx(plain_softmax, rel=1e-11)


@every_case
def test_the_softmax_form_is_softplus_of_the_papers_form_for_each_pair(case: Case) -> None:
    cosines, assigned = case.ours(points(9), points(case.proxies, seed=1))
    gaps = nca_gaps(cosines, assigned, scale=18.0)
    softmax = proxy_nca_softmax(cosines, assigned, scale=18.0)
    expected = (F.softplus(gaps, threshold=600) * assigned.weight).sum() / 9
    torch.testing.assert_close(softmax, expected, rtol=1e-12, atol=1e-14)


def test_an_image_without_negatives_is_left_out_of_the_papers_form_and_0_in_the_other() -> None:
    cosines = torch.tensor([[0.3, 0.1], [0.2, 0.9], [0.5, 0.1]], requires_grad=True)
    image, weight = torch.arange(3), torch.ones(3)
    negative = torch.tensor([[False, True], [False, False], [False, True]])
    assigned = Assignment(image, torch.tensor([0, 1, 0]), weight, negative)
    paper = proxy_nca(cosines, assigned, scale=10.0)
    softmax = proxy_nca_softmax(cosines, assigned, scale=10.0)
    assert paper.item() == pytest.approx((-2.0 - 4.0) / 2)
    assert softmax.item() == pytest.approx(
        (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(-4))) / 3
    )
    for value in (paper, softmax):
        (gradient,) = torch.autograd.grad(value, cosines, retain_graph=True)
        assert gradient[0].all()
        assert gradient[1].tolist() == [0.0, 0.0]
    nothing = assigned._replace(negative=torch.zeros(3, 2, dtype=torch.bool))
    for formula in (proxy_nca, proxy_nca_softmax):
        value = formula(cosines, nothing, scale=10.0)
        assert value.item() == 0.0
        assert not torch.autograd.grad(value, cosines)[0].any()


@pytest.mark.parametrize("scale", [1.0, 18.0, 400.0])
def test_a_positive_among_its_rivals_is_taken_out_without_losing_digits(scale: float) -> None:
    """In single precision, also where it outweighs all others by far, and where it ties."""
    generator = torch.Generator().manual_seed(0)
    cosines = (2 * torch.rand(6, 5, generator=generator) - 1).requires_grad_()
    with torch.no_grad():
        cosines[5] = torch.tensor([0.5, 0.5, 0.5, -0.9, -1.0])
    image, proxy = torch.arange(6).repeat_interleave(5), torch.arange(5).repeat(6)
    negative = torch.ones(6, 5, dtype=torch.bool)
    assigned = Assignment(image, proxy, torch.full((30,), 0.2), negative)
    gaps = nca_gaps(cosines, assigned, scale=scale)
    for x, p, gap in zip(image.tolist(), proxy.tolist(), gaps, strict=True):
        row = cosines[x].double()
        others = torch.cat([row[:p], row[p + 1 :]])
        expected = (scale * others).logsumexp(dim=0) - scale * row[p]
        torch.testing.assert_close(gap.double(), expected, rtol=2e-6, atol=2e-6 * scale)
        found = torch.autograd.grad(gap, cosines, retain_graph=True)[0]
        direct = torch.autograd.grad(expected, cosines)[0]
        torch.testing.assert_close(found, direct, rtol=1e-4, atol=1e-5 * scale)


def test_the_papers_form_is_negative_at_its_optimum() -> None:
    """Proxies at the corners of a simplex, embeddings on them: cosines are 1 and -1/(C - 1)."""
    classes, scale = 5, 18.0
    corners = torch.eye(classes, dtype=torch.float64) - 1 / classes
    loss = proxy_nca(*own_proxies(corners[LABELS], corners), scale=scale)
    optimum = math.log(classes - 1) - scale * (1 + 1 / (classes - 1))
    assert optimum < 0
    assert loss.item() == pytest.approx(optimum, rel=1e-12)


def test_a_sample_whose_probability_underflows_keeps_its_loss_and_gradient() -> None:
    embeddings = torch.tensor([[-1.0, 0.1]], requires_grad=True)
    proxies = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    cosines = cosine_similarity(embeddings, proxies)
    assigned = static_assignment(cosines, torch.tensor([0]), torch.tensor([[0], [1]]))
    loss = proxy_nca_softmax(cosines, assigned, scale=100.0)
    (gradient,) = torch.autograd.grad(loss, embeddings)
    assert loss.item() == pytest.approx(200 / math.hypot(1, 0.1), rel=1e-5)
    assert gradient.abs().max() > 1


def test_the_papers_form_needs_two_classes_and_two_proxies() -> None:
    with pytest.raises(ValueError, match=r"num_classes is 1: it must be a whole number in \[2"):
        ProxyNCA(1, 4)
    for module in (ProxyNCA, ProxyNCASoftmax):
        with pytest.raises(ValueError, match="that is one proxy for 4 classes"):
            module(4, 4, proxies_per_class=0.25)
        assert module(4, 4, proxies_per_class=0.5).proxies.shape == (2, 4)
    assert ProxyNCASoftmax(1, 4)(torch.ones(2, 4), torch.tensor([0, 0])).item() == 0.0


@pytest.mark.parametrize("settings", [{}, {"assignment": "dynamic", "proxies_per_class": 2.0}])
def test_the_modules_pass_on_their_proxies_and_settings(settings: dict[str, str]) -> None:
    embeddings, labels = points(9), torch.tensor(LABELS)
    modules: list[tuple[type[nn.Module], str, float, float]] = [
        (ProxyNCA, "scale", 7.0, 7.0),
        (ProxyNCASoftmax, "scale", 7.0, 7.0),
        (ProxyNCAPlusPlus, "temperature", 0.25, 8.0),
    ]
    for module, name, setting, scale in modules:
        formula = proxy_nca if module is ProxyNCA else proxy_nca_softmax
        loss = module(5, 4, **{name: setting}, **settings).double()
        proxies = loss.get_parameter("proxies")
        case = CASES["dynamic, few" if settings else "one for each class"]
        expected = formula(*case.ours(embeddings, proxies), scale=scale)
        torch.testing.assert_close(loss(embeddings, labels), expected, rtol=1e-14, atol=0)
        assert [key for key, _ in loss.named_parameters()] == ["proxies"]


def test_default_temperature_is_the_default_scale() -> None:
    torch.manual_seed(0)
    one = ProxyNCASoftmax(5, 4)
    torch.manual_seed(0)
    other = ProxyNCAPlusPlus(5, 4)
    batch = points(9).float(), torch.tensor(LABELS)
    torch.testing.assert_close(one(*batch), other(*batch))


def test_proxies_start_as_random_directions_of_length_about_one() -> None:
    torch.manual_seed(0)
    proxies = initial_proxies(2000, 64)
    assert proxies.norm(dim=1).square().mean().item() == pytest.approx(1.0, abs=0.02)
    assert proxies.mean().abs() < 0.002
