"""Backbones by name: networks from images to features, with random initial weights."""

from collections.abc import Callable
from copy import deepcopy
from difflib import get_close_matches
from functools import partial
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from proxy_core.models.timm_backbone import PREFIX, efficientnet_lite0, refused, timm_backbone

SIDE = 64  # pixels; the networks of this file take images of other sizes too

CONV4_WIDTH = 64


class Conv4(nn.Module):
    """Four blocks of 3x3 convolution, batch normalisation and ReLU, then the mean over the map.

    forward: images (B, channels, H, W) -> (B, 64). A block halves the map if its sides are 4 or
    more, so 28x28 ends as 3x3 and 8x8 as 2x2; the usual four halvings would leave nothing of 8x8.
    The network of the same name in the few-shot literature flattens its last map instead.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        widths = [channels] + [CONV4_WIDTH] * 4
        self.blocks = nn.ModuleList(block(inputs, outputs) for inputs, outputs in pairwise(widths))

    def forward(self, images: Tensor) -> Tensor:
        maps = images
        for layer in self.blocks:
            maps = layer(maps)
            if min(maps.shape[2:]) >= 4:
                maps = F.max_pool2d(maps, 2)
        return maps.mean(dim=(2, 3))


def block(inputs: int, outputs: int) -> nn.Sequential:
    """3x3 convolution (no bias: the normalisation has one), batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class ThreeChannels(nn.Module):
    """Repeats a grey image (B, 1, H, W) as (B, 3, H, W); leaves three channels as they are."""

    def forward(self, images: Tensor) -> Tensor:
        return images.expand(-1, 3, -1, -1)


def conv4(channels: int) -> nn.Module:
    """`Conv4` for any number of channels from 1."""
    if channels < 1:
        raise ValueError(f"channels is {channels}: conv4 takes 1 or more")
    return Conv4(channels)


def resnet(name: str, channels: int) -> nn.Module:
    """torchvision's ResNet of this name without its classifier."""
    from torchvision.models import get_model

    return without_classifier(get_model(name, weights=None), name, channels)


def googlenet(channels: int) -> nn.Module:
    """torchvision's GoogLeNet without classifiers and dropout.

    The dropout belongs to the removed classifier: two embeddings of one image must not differ.
    Weights start as in PyTorch's layers: torchvision's own initial weights are so small that,
    before training, all images get the same embedding in evaluation mode.
    """
    from torchvision.models import googlenet as build

    network = build(weights=None, aux_logits=False, init_weights=False)
    network.dropout = nn.Identity()
    return without_classifier(network, "googlenet", channels)


def without_classifier(network: nn.Module, name: str, channels: int) -> nn.Module:
    """The network for grey or colour images up to its last linear layer `fc`."""
    if channels not in (1, 3):
        raise ValueError(f"channels is {channels}: {name} takes 1 (grey) or 3 (colour)")
    network.add_module("fc", nn.Identity())
    return nn.Sequential(ThreeChannels(), network)


def plain(
    build: Callable[[int], nn.Module], channels: int, pooling: str, image_side: int | None
) -> tuple[nn.Module, int]:
    """A network of this file, which averages its last maps and takes images of any usual size."""
    if pooling != "avg":
        raise ValueError(
            f"pooling is {pooling!r}: this backbone has only 'avg'; efficientnet_lite0 and the "
            f"networks of timm, such as {PREFIX}resnet50, have the others"
        )
    return build(channels), image_side or SIDE


BACKBONES: dict[str, Callable[[int, str, int | None], tuple[nn.Module, int]]] = {
    "conv4": partial(plain, conv4),  # 64 features
    "resnet18": partial(plain, partial(resnet, "resnet18")),  # 512
    "resnet50": partial(plain, partial(resnet, "resnet50")),  # 2,048
    "googlenet": partial(plain, googlenet),  # 1,024
    "efficientnet_lite0": efficientnet_lite0,  # 1,280
}


def make_backbone(
    name: str, channels: int, pooling: str, image_side: int | None
) -> tuple[nn.Module, int]:
    """The network of a name of `BACKBONES`, or `timm:NAME`, and the side of the images for it.

    Arguments: channels, 1 (grey) or 3 (colour), for conv4 any; pooling, "avg", "max" or "avg+max";
    image_side, pixels of the square images, or None for what the network usually takes.
    Returns: images (B, channels, side, side) -> features (B, F), in training mode; the side.
    Raises: ValueError for an unknown name and for what the network does not take.
    """
    if name.startswith(PREFIX):
        return timm_backbone(name, channels, pooling, image_side)
    if name not in BACKBONES:
        close = get_close_matches(name, BACKBONES, 1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ValueError(
            f"unknown backbone {name!r}{hint} (known: {', '.join(BACKBONES)}, and {PREFIX}NAME "
            "for a network of timm)"
        )
    return BACKBONES[name](channels, pooling, image_side)


def unseen_edge(backbone: nn.Module, channels: int, side: int) -> int:
    """How many of the last rows or columns of images (side x side) change no feature, as a stride
    may leave out what it does not divide; by the gradient for random images."""
    generator = torch.Generator().manual_seed(0)
    network = deepcopy(backbone).eval().requires_grad_(False)
    for parameter in network.parameters():
        if not parameter.any():  # zeros at the start would hide what training will show
            parameter.fill_(0.5)
    seen, unseen = torch.zeros(side, side, dtype=torch.bool), side
    for _ in range(4):  # a maximum sees other pixels of another image
        image = torch.rand(1, channels, side, side, generator=generator).requires_grad_()
        features = network(image)
        weights = torch.randn(features.shape, generator=generator)
        (gradient,) = torch.autograd.grad((features * weights).sum(), image)
        seen |= gradient[0].any(dim=0)
        unseen = max(int(seen.any(dim=axis).flip(0).byte().argmax()) for axis in (0, 1))
        if not unseen:
            break
    return unseen


def count_features(backbone: nn.Module, name: str, channels: int, side: int) -> int:
    """F of a network for images of this side.

    Raises: ValueError if the network refuses the size, or gives something else than features.
    """
    backbone.eval()
    try:
        with torch.no_grad():
            shape: tuple[int, ...] = backbone(torch.zeros(1, channels, side, side)).shape
    except (AssertionError, IndexError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(refused(name, side, error)) from error
    finally:
        backbone.train()
    if len(shape) != 2:
        raise ValueError(
            f"backbone {name!r} gives {tuple(shape)} for one image, not pooled features"
        )
    return shape[1]
