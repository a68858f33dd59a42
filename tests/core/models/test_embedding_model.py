"""Every backbone gives embeddings of the given size, trains, and embeds images independently."""

import pytest
import torch
from torch import Tensor, nn

from proxy_core.models.backbones import BACKBONES, Conv4
from proxy_core.models.embedding_model import EmbeddingModel


def images(count: int, channels: int, side: int, seed: int = 0) -> Tensor:
    return torch.rand(count, channels, side, side, generator=torch.Generator().manual_seed(seed))


def make(backbone: str, channels: int = 1, embedding_dim: int = 5) -> EmbeddingModel:
    torch.manual_seed(3)
    return EmbeddingModel(backbone, channels=channels, embedding_dim=embedding_dim)


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_backbone_embeds_grey_and_colour_images(backbone: str, channels: int) -> None:
    model = make(backbone, channels).eval()
    with torch.no_grad():
        embeddings = model(images(2, channels, 32))
    assert embeddings.shape == (2, 5)
    assert embeddings.isfinite().all()
    assert not torch.equal(embeddings[0], embeddings[1])


@pytest.mark.parametrize("backbone", BACKBONES)
def test_every_parameter_is_trained(backbone: str) -> None:
    model = make(backbone)
    leaves = [parameter for _, parameter in model.named_parameters()]
    value = model(images(3, 1, 32)).square().sum()
    for gradient in torch.autograd.grad(value, leaves):  # raises for an unused parameter
        assert gradient.isfinite().all()
        assert gradient.count_nonzero() > 0


@pytest.mark.parametrize("side", [1, 3, 8, 9, 28, 84])
def test_conv4_takes_images_of_any_size(side: int) -> None:
    assert make("conv4")(images(4, 1, side)).shape == (4, 5)


@pytest.mark.parametrize(("side", "expected"), [(8, 2), (28, 3), (32, 2), (84, 5)])
def test_conv4_halves_maps_while_they_are_large_enough(side: int, expected: int) -> None:
    network = Conv4(1)
    sizes: list[int] = []
    network.blocks[-1].register_forward_hook(lambda *step: sizes.append(step[2].shape[-1]))
    network(images(2, 1, side))
    assert (sizes[0] // 2 if sizes[0] >= 4 else sizes[0]) == expected


def test_embeddings_are_raw() -> None:
    lengths = make("conv4").eval()(images(8, 1, 28)).norm(dim=1)
    assert lengths.std() > 0
    assert (lengths - 1).abs().min() > 1e-3


@pytest.mark.parametrize("backbone", BACKBONES)
def test_in_evaluation_an_embedding_does_not_depend_on_the_batch(backbone: str) -> None:
    model = make(backbone).eval()
    batch = images(6, 1, 32)
    with torch.no_grad():
        parts = torch.cat([model(part) for part in (batch[:2], batch[2:5], batch[5:])])
        torch.testing.assert_close(model(batch), parts, rtol=1e-4, atol=1e-5)


def test_grey_is_repeated_in_three_channels() -> None:
    grey, colour = make("resnet18", 1).eval(), make("resnet18", 3).eval()
    batch = images(2, 1, 32)
    with torch.no_grad():
        assert torch.equal(grey(batch), colour(batch.repeat(1, 3, 1, 1)))


def test_googlenet_is_deterministic_in_training() -> None:
    model = make("googlenet")
    assert not any(isinstance(part, nn.Dropout) and part.p > 0 for part in model.modules())
    batch = images(4, 1, 32)
    assert torch.equal(model(batch), model(batch))


def test_the_same_seed_gives_the_same_network() -> None:
    first, second = make("conv4").state_dict(), make("conv4").state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_channels_last_changes_only_the_layout() -> None:
    model = make("conv4").eval()
    batch = images(4, 1, 28)
    with torch.no_grad():
        expected = model(batch)
        last = model.to(memory_format=torch.channels_last)
        found = last(batch.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_unknown_names_and_sizes_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"unknown backbone 'vgg' \(known: conv4, resnet18, resnet50"
    ):
        make("vgg")
    with pytest.raises(ValueError, match="channels is 2: resnet18 takes 1"):
        make("resnet18", channels=2)
    with pytest.raises(ValueError, match="channels is 0: conv4 takes 1 or more"):
        make("conv4", channels=0)
    with pytest.raises(ValueError, match="embedding_dim is -1"):
        make("conv4", embedding_dim=-1)
    with pytest.raises(ValueError, match=r"pooling is 'mean': use one of avg, max, avg\+max"):
        EmbeddingModel("conv4", channels=1, embedding_dim=5, pooling="mean")
    with pytest.raises(ValueError, match="frozen is 'all': use one of none, norm, backbone"):
        EmbeddingModel("conv4", channels=1, embedding_dim=5, frozen="all")


def test_without_a_head_the_embedding_is_the_pooled_features() -> None:
    model = make("conv4", embedding_dim=0).eval()
    batch = images(2, 1, 28)
    with torch.no_grad():
        assert torch.equal(model(batch), model.backbone(batch))
    assert model.embedding_dim == model.features == 64


def test_features_computed_before_give_the_same_embeddings() -> None:
    model = EmbeddingModel("conv4", channels=1, embedding_dim=5, layer_norm=True).eval()
    batch = images(3, 1, 28)
    with torch.no_grad():
        features = model.backbone(batch)
        assert torch.equal(model(features), model(batch))


def test_layer_normalisation_stands_before_the_head_and_learns_nothing() -> None:
    torch.manual_seed(3)
    model = EmbeddingModel("conv4", channels=1, embedding_dim=5, layer_norm=True).eval()
    plain = make("conv4")
    plain.load_state_dict(model.state_dict())  # the same parameters
    features = torch.rand(4, 64, generator=torch.Generator().manual_seed(1))
    centred = features - features.mean(dim=1, keepdim=True)
    normed = centred / (centred.square().mean(dim=1, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(model(features), plain.head(normed), rtol=1e-5, atol=1e-6)
