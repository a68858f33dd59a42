"""Every loss on a CUDA device: deterministic, and near its value and gradients on the CPU."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from proxy_core.losses import LOSSES

CLASSES, DIM = 20, 16
CASES: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in LOSSES),
    *(("triplet", {"mining": rule}) for rule in ("random", "all", "hard", "distance-weighted")),
    ("triplet", {"mining": "all", "surrogate": "nca"}),
    ("margin", {"boundaries": "per class", "nu": 0.1}),
    ("center", {"update": "gradient"}),
    ("proxy_triplet", {"over": "sum"}),
    *(
        (name, {"assignment": rule, "proxies_per_class": number})
        for name in ("proxy_nca", "proxy_nca_softmax", "proxy_triplet", "proxy_anchor")
        for rule, number in (("static", 0.5), ("static", 3.0), ("dynamic", 2.0))
    ),
]


@pytest.fixture(autouse=True)
def _deterministic() -> Iterator[None]:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def computed(name: str, settings: dict[str, Any], device: str) -> dict[str, Tensor]:
    """Value of a loss, its gradients, and its state after the call, on the CPU."""
    torch.manual_seed(5)
    loss = LOSSES[name](CLASSES, DIM, **settings).double().to(device)
    generator = torch.Generator().manual_seed(0)
    labels = (torch.arange(60) % 15).to(device)
    leaf = torch.randn(60, DIM, generator=generator, dtype=torch.float64).to(device)
    value = loss(leaf.requires_grad_(), labels)
    parameters = dict(loss.named_parameters())
    gradients = torch.autograd.grad(value, [leaf, *parameters.values()])
    found = dict(zip(["value", "embeddings", *parameters], [value, *gradients], strict=True))
    state = {f"state {key}": buffer for key, buffer in loss.named_buffers()}
    return {key: tensor.detach().cpu() for key, tensor in (found | state).items()}


@pytest.mark.gpu
@pytest.mark.parametrize(("name", "settings"), CASES)
def test_value_gradients_and_state_are_repeatable_and_those_of_the_cpu(
    name: str, settings: dict[str, Any]
) -> None:
    once, again, expected = (computed(name, settings, d) for d in ("cuda", "cuda", "cpu"))
    assert once.keys() == expected.keys()
    for key in once:
        assert torch.equal(once[key], again[key]), key
        torch.testing.assert_close(once[key], expected[key], rtol=1e-7, atol=1e-10, msg=key)
