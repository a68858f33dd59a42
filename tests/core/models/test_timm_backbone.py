"""Networks of timm as backbones: names, input, pooling, sizes, and a missing extra."""

import sys

import pytest
import timm
import torch
from torch import Tensor

from proxy_core.models.backbones import unseen_edge
from proxy_core.models.embedding_model import EmbeddingModel
from proxy_core.models.timm_backbone import TimmBackbone

SMALL = "timm:resnet10t"
VIT = "timm:vit_tiny_patch16_224"


def make(
    backbone: str, channels: int = 3, image_side: int | None = None, pooling: str = "avg"
) -> EmbeddingModel:
    """Pooled features of a network with random weights, in evaluation mode."""
    torch.manual_seed(1)
    return EmbeddingModel(
        backbone, channels=channels, embedding_dim=0, pooling=pooling, image_side=image_side
    ).eval()


def timm_part(model: EmbeddingModel) -> TimmBackbone:
    assert isinstance(model.backbone, TimmBackbone)
    return model.backbone


def last_maps(model: EmbeddingModel, batch: Tensor) -> Tensor:
    part = timm_part(model)
    maps: Tensor = part.network.forward_features((batch - part.mean) / part.std)
    return maps


def images(side: int, channels: int = 3) -> Tensor:
    return torch.rand(2, channels, side, side, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("backbone", "side", "features"),
    [
        (SMALL, 64, 512),
        ("timm:resnet50.tv_in1k", 64, 2048),
        ("timm:convnext_atto", 64, 320),
        ("timm:mobilenetv3_small_050", 64, 1024),
        (VIT, 64, 192),
        ("timm:vit_small_patch14_dinov2", 56, 384),
        ("efficientnet_lite0", 64, 1280),
    ],
)
def test_networks_give_pooled_features(backbone: str, side: int, features: int) -> None:
    model = make(backbone, image_side=side)
    with torch.no_grad():
        embeddings = model(images(side))
    assert model.features == model.embedding_dim == features
    assert embeddings.shape == (2, features)
    assert not torch.equal(embeddings[0], embeddings[1])


@pytest.mark.parametrize(
    ("backbone", "mean", "std"),
    [
        ("efficientnet_lite0", 127 / 255, 128 / 255),
        (VIT, 0.5, 0.5),
        (SMALL, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ],
)
def test_the_network_sees_normalised_images(
    backbone: str, mean: float | tuple[float, ...], std: float | tuple[float, ...]
) -> None:
    model = make(backbone, image_side=32)
    seen: list[Tensor] = []
    timm_part(model).network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    batch = images(32)
    with torch.no_grad():
        model(batch)
    expected = (batch - torch.tensor(mean).view(-1, 1, 1)) / torch.tensor(std).view(-1, 1, 1)
    torch.testing.assert_close(seen[0], expected, rtol=1e-6, atol=1e-6)


def test_grey_is_repeated_in_three_channels() -> None:
    grey, colour = make(SMALL, 1), make(SMALL, 3)
    batch = images(32, 1)
    with torch.no_grad():
        assert torch.equal(grey(batch), colour(batch.repeat(1, 3, 1, 1)))


@pytest.mark.parametrize("backbone", [SMALL, "efficientnet_lite0", "timm:dla34"])
def test_pooling_is_that_of_the_last_maps(backbone: str) -> None:
    batch = images(96)
    found = {}
    for pooling in ("avg", "max", "avg+max"):
        model = make(backbone, image_side=96, pooling=pooling)
        with torch.no_grad():
            found[pooling] = model(batch)
            maps = last_maps(model, batch)
    assert maps.shape[2:] == (3, 3)
    expected = {"avg": maps.mean(dim=(2, 3)), "max": maps.amax(dim=(2, 3))}
    expected["avg+max"] = expected["avg"] + expected["max"]
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_pooling_comes_before_layers_that_follow_it() -> None:
    """ConvNeXt normalises what was pooled: the sum must be inside."""
    batch = images(64)
    summed, plain = make("timm:convnext_atto", pooling="avg+max"), make("timm:convnext_atto")
    with torch.no_grad():
        maps = last_maps(plain, batch)
        both = (maps.mean(dim=(2, 3)) + maps.amax(dim=(2, 3)))[:, :, None, None]
        expected = timm_part(plain).network.head.norm(both).flatten(1)
        torch.testing.assert_close(summed(batch), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("pooling", ["max", "avg+max"])
@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        (VIT, "has a pooling of its own, such as a class token; 'avg' leaves it as it is"),
        ("timm:resnet50_clip", "has a pooling of its own"),
        ("conv4", "this backbone has only 'avg'; efficientnet_lite0 and the networks of timm"),
        ("googlenet", "this backbone has only 'avg'"),
    ],
)
def test_networks_with_one_pooling_refuse_others(backbone: str, message: str, pooling: str) -> None:
    with pytest.raises(ValueError, match=f"pooling is '{pooling.replace('+', '.')}': .*{message}"):
        make(backbone, pooling=pooling)


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        ("timm:resnet5", "timm .* has no such network; did you mean timm:resnet50"),
        ("timm:resnet50.tv_in1", "no such weights of it; did you mean timm:resnet50.tv_in1k"),
        ("timm:vit_smal_patch16_224", "did you mean timm:vit_small_patch16_224"),
        ("timm:", "unknown backbone 'timm:'"),
        ("timm:hf-hub:timm/resnet50", "unknown backbone 'timm:hf-hub:timm/resnet50'"),
        ("timm:vit_base_patch32_224_in21k", "did you mean timm:vit_base_patch32_224"),
        ("resnet5", "unknown backbone 'resnet5'; did you mean 'resnet50'"),
        ("efficientnet_lite", "did you mean 'efficientnet_lite0'"),
        ("tf_efficientnet_lite0", "did you mean 'efficientnet_lite0'"),
    ],
)
def test_a_misspelt_name_gets_a_suggestion(backbone: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(backbone)


@pytest.mark.parametrize(
    ("backbone", "side", "message"),
    [
        ("efficientnet_lite0", 100, "'efficientnet_lite0' refuses images of 100 x 100 pixels: it "
         "pads as TensorFlow does, which needs a multiple of 32, such as 96"),
        ("timm:tf_efficientnet_b0", 16, "needs a multiple of 32, such as 32"),
        (VIT, 100, "patches of 16 pixels, which needs a multiple of 16, such as 96"),
        ("timm:vit_small_patch14_dinov2", 128, "a multiple of 14, such as 126"),
        ("timm:tnt_s_patch16_224", 94, "patches of 16 pixels, which needs a multiple of 16, such"),
        ("timm:mixer_s32_224", 94, "patches of 32 pixels, which needs a multiple of 32, such"),
        ("timm:xcit_nano_12_p16_224", 100, "`patch_size` should divide image dimensions"),
        ("timm:mvitv2_tiny", 94, "'timm:mvitv2_tiny' refuses images of 94 x 94 pixels: index"),
        ("timm:inception_v3", 32, "'timm:inception_v3' refuses images of 32 x 32 pixels: "),
        ("googlenet", 1, "'googlenet' refuses images of 1 x 1 pixels: "),
    ],
)  # fmt: skip
def test_a_size_that_the_network_refuses(backbone: str, side: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(backbone, image_side=side)


def test_sizes_that_are_no_multiples_but_the_network_s_own_are_taken() -> None:
    model = make("timm:tf_efficientnet_b1", image_side=240)
    assert model(images(240)).shape == (2, 1280)


def test_a_transformer_that_states_its_patch_as_one_number_is_taken() -> None:
    assert make("timm:xcit_nano_12_p16_224", image_side=96)(images(96)).shape == (2, 128)


@pytest.mark.parametrize(
    ("backbone", "side", "pooling", "unseen"),
    [
        ("timm:convnext_atto", 94, "avg", 2),
        ("timm:convnext_atto", 94, "max", 2),
        ("timm:convnext_atto", 96, "avg", 0),
        ("timm:pvt_v2_b0", 94, "avg", 0),  # its patches overlap
        ("timm:pit_ti_224", 94, "avg", 6),
        (SMALL, 93, "max", 0),
        ("conv4", 31, "avg", 0),
        ("resnet18", 33, "avg", 0),
    ],
)
def test_pixels_that_change_no_feature_are_counted(
    backbone: str, side: int, pooling: str, unseen: int
) -> None:
    model = make(backbone, image_side=side, pooling=pooling)
    assert unseen_edge(model.backbone, 3, side) == unseen
    model, shown = model.double(), images(side).double()  # some changes are small at the start
    with torch.no_grad():
        before = model(shown)
        if unseen:
            shown[:, :, -unseen:] = shown[:, :, :, -unseen:] = 0
            assert torch.equal(model(shown), before)
        shown[:, :, : side - unseen, side - unseen - 1] = 9
        assert not torch.equal(model(shown), before)


def test_channels_that_no_network_of_timm_takes() -> None:
    with pytest.raises(ValueError, match="channels is 2: timm:resnet10t takes 1"):
        make(SMALL, channels=2)


@pytest.mark.parametrize("backbone", ["efficientnet_lite0", SMALL])
def test_without_the_extra_one_message_names_it(
    backbone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "timm"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr("sys.meta_path", [Missing(), *sys.meta_path])
    with pytest.raises(
        ValueError,
        match=rf"backbone '{backbone}' needs timm; pip install 'proxy-bench\[pretrained\]'",
    ):
        make(backbone)
    assert make("conv4").features == 64


class Missing:
    """An importer for which timm is not installed."""

    def find_spec(self, name: str, *_: object) -> None:
        if name.partition(".")[0] == "timm":
            raise ModuleNotFoundError(f"No module named {name!r}", name="timm")


def test_initial_weights_are_those_of_the_library() -> None:
    found = timm_part(make(SMALL)).network.state_dict()
    torch.manual_seed(1)
    expected = timm.create_model("resnet10t", num_classes=0).state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)
