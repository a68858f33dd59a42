"""Center loss and the paper's update of the centers against plain loops."""

import math
from typing import Literal

import pytest
import torch
from torch import Tensor

from proxy_core.losses.center import Center, move_centers


def batch() -> tuple[Tensor, Tensor, Tensor]:
    """Class 1 is absent, class 2 has one image."""
    generator = torch.Generator().manual_seed(4)
    embeddings = torch.randn(7, 3, generator=generator, dtype=torch.float64)
    centers = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    return embeddings, torch.tensor([0, 3, 0, 2, 3, 3, 0]), centers


def filled(weight: float = 0.5, update: Literal["paper", "gradient"] = "paper") -> Center:
    torch.manual_seed(1)
    loss = Center(4, 3, weight=weight, center_rate=0.5, update=update).double()
    loss.centers.data.copy_(batch()[2])
    return loss


def moved(embeddings: Tensor, labels: Tensor, centers: Tensor, rate: float) -> Tensor:
    centers = centers.clone()
    move_centers(embeddings, labels, centers, rate=rate)
    return centers


def plain_moved(
    embeddings: Tensor, labels: list[int], centers: Tensor, rate: float
) -> list[list[float]]:
    """Equation of the paper: c_j - rate * sum_i [y_i = j] (c_j - x_i) / (1 + sum_i [y_i = j])."""
    moved = []
    for j, center in enumerate(centers.tolist()):
        own = [x for x, y in zip(embeddings.tolist(), labels, strict=True) if y == j]
        steps = [sum(c - x[k] for x in own) / (1 + len(own)) for k, c in enumerate(center)]
        moved.append([c - rate * step for c, step in zip(center, steps, strict=True)])
    return moved


def plain_value(loss: Center, embeddings: Tensor, labels: list[int], centers: Tensor) -> float:
    """Cross-entropy of the linear layer plus weight / 2 * |x - c_y|^2, averaged over the batch."""
    weight, bias = loss.head.weight.tolist(), loss.head.bias.tolist()
    total = 0.0
    for x, y in zip(embeddings.tolist(), labels, strict=True):
        logits = [sum(map(math.prod, zip(row, x, strict=True))) for row in weight]
        logits = [logit + b for logit, b in zip(logits, bias, strict=True)]
        total += math.log(sum(map(math.exp, logits))) - logits[y]
        total += loss.weight / 2 * math.dist(x, centers[y].tolist()) ** 2
    return total / len(labels)


@pytest.mark.parametrize("weight", [0.0, 0.003, 2.0])
def test_the_loss_is_that_of_plain_loops(weight: float) -> None:
    embeddings, labels, centers = batch()
    loss = filled(weight=weight)
    expected = plain_value(loss, embeddings, labels.tolist(), centers)
    assert loss(embeddings, labels).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("rate", [0.0, 0.5, 1.0])
def test_centers_move_by_the_papers_rule(rate: float) -> None:
    embeddings, labels, centers = batch()
    expected = torch.tensor(plain_moved(embeddings, labels.tolist(), centers, rate)).double()
    torch.testing.assert_close(moved(embeddings, labels, centers, rate), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_moving_in_place_gives_the_bits_of_adding_to_a_copy(dtype: torch.dtype) -> None:
    """The committed results were made with a copy of the whole table in each step."""
    generator = torch.Generator().manual_seed(8)
    centers = torch.randn(50, 6, generator=generator)
    for _ in range(20):
        labels = torch.randint(50, (40,), generator=generator)
        embeddings = torch.randn(40, 6, generator=generator).to(dtype)
        if dtype == torch.float64:
            centers = centers.double()
        counts = (labels[:, None] == labels[None, :]).sum(dim=1, keepdim=True)
        steps = (embeddings.to(centers.dtype) - centers[labels]) * (0.3 / (1 + counts))
        expected = centers.index_add(0, labels, steps)
        place = centers.data_ptr()
        move_centers(embeddings, labels, centers, rate=0.3)
        assert torch.equal(centers, expected)
        assert centers.data_ptr() == place


def test_a_training_step_uses_the_old_centers_and_then_moves_them() -> None:
    embeddings, labels, centers = batch()
    loss = filled()
    leaf = embeddings.clone().requires_grad_()
    value = loss(leaf, labels)
    expected = moved(embeddings, labels, centers, 0.5)
    assert torch.equal(loss.centers, expected)
    assert value.item() == pytest.approx(
        plain_value(loss, embeddings, labels.tolist(), centers), rel=1e-12
    )
    (grad,) = torch.autograd.grad(value, leaf)
    frozen = filled().eval()
    (same,) = torch.autograd.grad(frozen(leaf, labels), leaf)
    assert torch.equal(grad, same)


def test_evaluation_mode_and_absent_classes_leave_centers_alone() -> None:
    embeddings, labels, centers = batch()
    loss = filled().eval()
    loss(embeddings, labels)
    assert torch.equal(loss.centers, centers)
    loss.train()(embeddings, labels)
    changed = (loss.centers != centers).any(dim=1)
    assert changed.tolist() == [True, False, True, True]


def test_both_updates_start_alike_and_differ_in_what_the_optimiser_moves() -> None:
    torch.manual_seed(2)
    paper = Center(4, 3)
    torch.manual_seed(2)
    gradient = Center(4, 3, update="gradient")
    assert paper.update == "paper"
    assert paper.centers.count_nonzero() == 0
    assert [name for name, _ in paper.named_buffers()] == ["centers"]
    assert set(paper.state_dict()) == {"head.weight", "head.bias", "centers"}
    assert sorted(gradient.state_dict()) == sorted(paper.state_dict())
    for name, value in paper.state_dict().items():
        assert torch.equal(value, gradient.state_dict()[name])
    assert {name for name, _ in gradient.named_parameters()} == set(paper.state_dict())
    assert list(gradient.buffers()) == []


@pytest.mark.parametrize("weight", [0.5, 2.0])
def test_the_gradient_update_is_that_of_the_weighted_term_and_nothing_else_differs(
    weight: float,
) -> None:
    """One step of plain descent: c_j - rate * weight / B * sum_i [y_i = j] (c_j - x_i)."""
    embeddings, labels, centers = batch()
    paper, gradient = filled(weight), filled(weight, "gradient")
    optimizer = torch.optim.SGD(gradient.parameters(), lr=0.7)
    values = paper(embeddings, labels), gradient(embeddings, labels)
    assert torch.equal(values[0], values[1])
    assert torch.equal(gradient.centers.detach(), centers)  # not moved by the call itself
    for value in values:
        value.backward()
    assert torch.equal(*(loss.head.weight.grad for loss in (paper, gradient)))  # type: ignore[arg-type]
    optimizer.step()
    for j, (center, moved_center) in enumerate(zip(centers, gradient.centers, strict=True)):
        pull = (center - embeddings[labels == j]).sum(dim=0)
        expected = center - 0.7 * weight / 7 * pull
        torch.testing.assert_close(moved_center.detach(), expected, rtol=1e-12, atol=1e-12)
