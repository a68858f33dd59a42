"""Proxy-Triplet against a loop over images and proxies, at its edges, and in memory."""

import pytest
import torch

from proxy_core.losses.parts.assignment import Assignment
from proxy_core.losses.proxy_triplet import ProxyTriplet, proxy_triplet
from tests.support.plain_proxies import CASES, LABELS, Case, points


def plain_loss(
    case: Case, embeddings: torch.Tensor, proxies: torch.Tensor, margin: float, over: str
) -> float:
    """[d(x, p) - d(x, q) + M]_+ with d the squared distance of unit vectors."""
    cosines, assigned = case.plain(embeddings, proxies)
    total = 0.0
    for row, positives, negatives in zip(
        cosines, assigned.positives, assigned.negatives, strict=True
    ):
        for p, share in positives.items():
            others = negatives - {p}
            hinges = [max(0.0, (2 - 2 * row[p]) - (2 - 2 * row[q]) + margin) for q in others]
            total += share * sum(hinges) / (len(hinges) if over == "mean" and hinges else 1)
    return total / len(cosines)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("over", ["sum", "mean"])
@pytest.mark.parametrize("margin", [0.1, 0.7, 4.0])
def test_the_loss_is_that_of_plain_loops(case: Case, over: str, margin: float) -> None:
    embeddings, proxies = points(9).requires_grad_(), points(case.proxies, seed=1).requires_grad_()
    value = proxy_triplet(*case.ours(embeddings, proxies), margin=margin, over=over)  # type: ignore[arg-type]
    expected = plain_loss(case, embeddings, proxies, margin, over)
    assert value.item() == pytest.approx(expected, rel=1e-12)
    assert expected > 0


@pytest.mark.parametrize("over", ["sum", "mean"])
def test_gradient_is_that_of_the_hinges(over: str) -> None:
    """By automatic differentiation of the direct form, which holds a term for each negative."""
    embeddings, proxies = points(9).requires_grad_(), points(5, seed=1)
    cosines, assigned = CASES["one for each class"].ours(embeddings, proxies)
    ours = proxy_triplet(cosines, assigned, margin=0.5, over=over)  # type: ignore[arg-type]
    near = cosines.gather(1, torch.tensor(LABELS)[:, None])
    hinges = (2 * (cosines - near) + 0.5).clamp(min=0.0)[assigned.negative].reshape(9, 4)
    direct = (hinges.sum(dim=1) if over == "sum" else hinges.mean(dim=1)).mean()
    torch.testing.assert_close(
        torch.autograd.grad(ours, embeddings, retain_graph=True),
        torch.autograd.grad(direct, embeddings),
    )


def test_a_proxy_at_the_border_of_the_margin_adds_nothing() -> None:
    cosines = torch.tensor([[0.75, 0.5, 0.75, 0.0]], requires_grad=True)
    one, negative = torch.tensor([0]), torch.tensor([[False, True, True, True]])
    assigned = Assignment(one, one, torch.ones(1), negative)
    value = proxy_triplet(cosines, assigned, margin=0.5, over="sum")
    assert value.item() == 0.5  # of the third; the second is just far enough
    assert torch.autograd.grad(value, cosines)[0].tolist() == [[-2.0, 0.0, 2.0, 0.0]]


def test_satisfied_margins_and_missing_negatives_cost_exactly_nothing() -> None:
    cosines = torch.tensor([[1.0, -1.0], [0.1, 0.3]], requires_grad=True)
    negative = torch.tensor([[False, True], [False, False]])
    assigned = Assignment(torch.arange(2), torch.tensor([0, 0]), torch.ones(2), negative)
    value = proxy_triplet(cosines, assigned, margin=0.2, over="mean")
    assert value.item() == 0.0
    assert not torch.autograd.grad(value, cosines)[0].any()


def test_the_module_passes_on_its_settings() -> None:
    loss = ProxyTriplet(5, 4, margin=4.0, over="sum").double()
    cosines, assigned = CASES["one for each class"].ours(points(9), loss.proxies)
    expected = proxy_triplet(cosines, assigned, margin=4.0, over="sum")
    torch.testing.assert_close(loss(points(9), torch.tensor(LABELS)), expected)
    assert [name for name, _ in loss.named_parameters()] == ["proxies"]
