"""Every loss under torch.compile: value and gradient as without it."""

import copy

import pytest
import torch

from proxy_core.losses import LOSSES


@pytest.mark.filterwarnings("ignore")  # of the compiler itself
@pytest.mark.parametrize("name", LOSSES)
def test_compiled_loss_has_the_same_value_and_gradient(name: str) -> None:
    torch.manual_seed(0)
    embeddings, labels = torch.randn(24, 8), torch.arange(6).repeat_interleave(4)
    plain = LOSSES[name](num_classes=6, embedding_dim=8)
    compiled = torch.compile(copy.deepcopy(plain), backend="eager")
    found = []
    for loss in (plain, compiled):
        leaf = embeddings.clone().requires_grad_()
        value = loss(leaf, labels)
        value.backward()
        found.append((value.detach(), leaf.grad))
    torch.testing.assert_close(*found)
