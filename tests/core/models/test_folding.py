"""Frozen parts: they stay as they are through training, and folding changes only the time."""

from typing import Any

import pytest
import torch
from timm.layers import Conv2dSame
from torch import Tensor, nn

from proxy_core.models.embedding_model import EmbeddingModel
from proxy_core.models.folding import FoldedConv, FoldedNorm, fold, randomise, unfolded

NETWORKS = ["conv4", "resnet18", "efficientnet_lite0", "timm:resnet10t", "timm:densenet121"]


def make(backbone: str, frozen: str, dim: int = 4) -> EmbeddingModel:
    torch.manual_seed(2)
    model = EmbeddingModel(backbone, channels=3, embedding_dim=dim, frozen=frozen, image_side=32)
    randomise(model.backbone, torch.Size((1,)))
    return model


def images(seed: int = 0) -> Tensor:
    return torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


def norms(model: nn.Module) -> list[nn.BatchNorm2d]:
    return [part for part in model.modules() if isinstance(part, nn.BatchNorm2d)]


def state(norm: nn.BatchNorm2d) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in norm.state_dict().items()}


def train(model: EmbeddingModel, steps: int = 2) -> None:
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-2, weight_decay=0.1)
    for step in range(steps):
        model.train()
        optimizer.zero_grad()
        torch.autograd.backward(model(images(step)).square().mean())
        optimizer.step()


@pytest.mark.slow
@pytest.mark.parametrize("backbone", NETWORKS)
@pytest.mark.parametrize("frozen", ["none", "norm", "backbone"])
def test_what_is_frozen_stays_through_training(backbone: str, frozen: str) -> None:
    model = make(backbone, frozen)
    before = [state(norm) for norm in norms(model)]
    weights = {key: value.clone() for key, value in model.backbone.named_parameters()}
    head = model.state_dict()["head.weight"].clone()
    train(model)
    stays = [
        all(torch.equal(value, state(norm)[key]) for key, value in old.items())
        for norm, old in zip(norms(model), before, strict=True)
    ]
    assert all(stays) if frozen != "none" else not any(stays)
    changed = [
        key
        for key, value in model.backbone.named_parameters()
        if not torch.equal(value, weights[key])
    ]
    assert bool(changed) == (frozen != "backbone")
    assert not torch.equal(model.state_dict()["head.weight"], head)


@pytest.mark.parametrize("mode", [True, False])
def test_the_mode_reaches_all_but_what_is_frozen(mode: bool) -> None:
    assert {norm.training for norm in norms(make("timm:resnet10t", "none").train(mode))} == {mode}
    assert not any(norm.training for norm in norms(make("timm:resnet10t", "norm").train(mode)))
    model = make("timm:resnet10t", "backbone").train(mode)
    assert not any(part.training for part in model.backbone.modules())
    assert model.head.training == mode
    assert not any(parameter.requires_grad for parameter in model.backbone.parameters())


@pytest.mark.parametrize("backbone", NETWORKS)
def test_a_folded_network_computes_the_same(backbone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folded = make(backbone, "norm").double()
    with monkeypatch.context() as patch:
        patch.setattr("proxy_core.models.embedding_model.fold", lambda *_: None)
        plain = make(backbone, "norm").double()
    assert any(isinstance(part, FoldedConv) for part in folded.modules())
    assert not any(isinstance(part, FoldedConv) for part in plain.modules())
    assert folded.state_dict().keys() == plain.state_dict().keys()
    plain.load_state_dict(folded.state_dict())
    results = []
    for model in (folded, plain):
        embeddings = model.train()(images().double())
        leaves = {name: leaf for name, leaf in model.named_parameters() if leaf.requires_grad}
        gradients = torch.autograd.grad(embeddings.square().sum(), list(leaves.values()))
        results.append({"embeddings": embeddings, **dict(zip(leaves, gradients, strict=True))})
    torch.testing.assert_close(*results, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("backbone", ["timm:resnet10t", "efficientnet_lite0"])
def test_an_unfolded_copy_computes_the_same(backbone: str) -> None:
    model = make(backbone, "norm").eval()
    copy = unfolded(model, images())
    assert not any(isinstance(part, FoldedConv) for part in copy.modules())
    assert any(isinstance(part, FoldedConv) for part in model.modules())
    with torch.no_grad():
        torch.testing.assert_close(copy(images(1)), model(images(1)), rtol=1e-5, atol=1e-5)


def test_without_freezing_folding_is_for_evaluation_only() -> None:
    model = make("efficientnet_lite0", "none")
    statistics = [state(norm)["running_mean"] for norm in norms(model)]
    model.train()(images())
    assert not any(
        torch.equal(state(norm)["running_mean"], old)
        for norm, old in zip(norms(model), statistics, strict=True)
    )
    plain = make("conv4", "none")
    assert not any(isinstance(part, FoldedConv) for part in plain.modules())  # numbers stay


def test_all_normalisations_of_efficientnet_are_folded() -> None:
    model = make("efficientnet_lite0", "norm")
    assert {type(norm) for norm in norms(model)} == {FoldedNorm}


class Crossed(nn.Module):
    """A normalisation that is listed after a convolution, but is computed before it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, maps: Tensor) -> Any:
        return self.conv(self.norm(maps)).mean(dim=(2, 3))


class Between(Crossed):
    """Something happens between the two."""

    def forward(self, maps: Tensor) -> Any:
        return self.norm(self.conv(maps).relu()).mean(dim=(2, 3))


class Straight(Crossed):
    def forward(self, maps: Tensor) -> Any:
        return self.norm(self.conv(maps)).mean(dim=(2, 3))


@pytest.mark.parametrize(("network", "folds"), [(Crossed, 0), (Between, 0), (Straight, 1)])
def test_a_network_that_folding_would_change_is_left(network: type[Crossed], folds: int) -> None:
    module = network()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    fold(module, torch.Size((2, 3, 8, 8)))
    assert sum(isinstance(part, FoldedConv) for part in module.modules()) == folds
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


def test_folding_draws_nothing_from_the_generator_of_torch() -> None:
    torch.manual_seed(5)
    module = Straight()
    expected = torch.get_rng_state()
    fold(module, torch.Size((2, 3, 8, 8)))
    assert torch.equal(torch.get_rng_state(), expected)


@pytest.mark.parametrize("frozen", ["none", "norm", "backbone"])
def test_the_state_loads_back_whatever_is_frozen(frozen: str) -> None:
    first = make("efficientnet_lite0", frozen).eval()
    second = EmbeddingModel("efficientnet_lite0", channels=3, embedding_dim=4).eval()
    second.load_state_dict(first.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(second(images()), first(images()), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [(8, 8), (7, 9), (10, 6)])
def test_padding_as_tensorflow_does(kernel: int, stride: int, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    conv = Conv2dSame(3, 4, kernel, stride=stride).double()
    norm = nn.BatchNorm2d(4).double().eval()
    maps = torch.rand(2, 3, *size, dtype=torch.float64)
    folded = FoldedNorm(norm)
    found = folded(FoldedConv(conv, folded)(maps))
    torch.testing.assert_close(found, norm(conv(maps)), rtol=1e-9, atol=1e-9)
