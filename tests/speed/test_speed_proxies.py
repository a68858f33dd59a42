"""Forward and backward pass of the losses over learned vectors, against the peer's same loss."""

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import nn

from proxy_core.losses import LOSSES
from tests.speed.alternation import times_faster

SIZES = [(b, d, c) for c in (100, 11318) for d in (64, 512) for b in (32, 128, 512)]
# Our name -> the peer's class, its arguments, the name of its table, and whether (D, C) instead.
# Its Proxy-NCA is compared with both of our forms: it has no form without the own proxy.
PEERS: dict[str, tuple[str, dict[str, float], str, bool]] = {
    "proxy_nca": ("ProxyNCALoss", {"softmax_scale": 9}, "proxies", False),
    "proxy_nca_softmax": ("ProxyNCALoss", {"softmax_scale": 9}, "proxies", False),
    "proxy_anchor": ("ProxyAnchorLoss", {"margin": 0.1, "alpha": 32}, "proxies", False),
    "normalized_softmax": ("NormalizedSoftmaxLoss", {"temperature": 0.05}, "W", True),
}


def peer(name: str, ours: nn.Module, classes: int, dim: int) -> nn.Module:
    losses = pytest.importorskip("pytorch_metric_learning.losses", reason="no peer installed")
    class_name, arguments, table, transposed = PEERS[name]
    theirs: nn.Module = getattr(losses, class_name)(classes, dim, **arguments)
    vectors = ours.get_parameter("proxies").detach()
    theirs.get_parameter(table).data = (vectors.T if transposed else vectors).clone()
    return theirs


@pytest.mark.parametrize(("size", "dim", "classes"), SIZES)
@pytest.mark.parametrize("name", PEERS)
def test_proxies(benchmark: BenchmarkFixture, name: str, size: int, dim: int, classes: int) -> None:
    """Four images of each class, as far as there are classes; gradients to all parameters too."""
    torch.manual_seed(0)
    embeddings = torch.randn(size, dim, requires_grad=True)
    labels = torch.randperm(classes)[torch.arange(size) // 4 % classes]
    ours = LOSSES[name](classes, dim)
    theirs = peer(name, ours, classes, dim)
    if name != "proxy_nca":
        torch.testing.assert_close(
            ours(embeddings, labels), theirs(embeddings, labels), rtol=1e-3, atol=1e-5
        )

    def step(loss: nn.Module) -> object:
        return torch.autograd.grad(loss(embeddings, labels), [embeddings, *loss.parameters()])

    rounds = 5 if classes > 100 else 25
    ratio = times_faster(lambda: step(ours), lambda: step(theirs), rounds)
    benchmark.extra_info["times_faster"] = ratio
    benchmark.pedantic(step, args=(ours,), rounds=rounds, warmup_rounds=1)  # type: ignore[no-untyped-call]
