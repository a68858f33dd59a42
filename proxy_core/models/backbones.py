"""Backbones: networks from images to features, with random initial weights."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

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


def conv4(channels: int) -> tuple[nn.Module, int]:
    """`Conv4` and its 64 features, for any number of channels from 1."""
    if channels < 1:
        raise ValueError(f"channels is {channels}: conv4 takes 1 or more")
    return Conv4(channels), CONV4_WIDTH


def resnet(name: str, channels: int) -> tuple[nn.Module, int]:
    """torchvision's ResNet of this name without its classifier, and its features."""
    from torchvision.models import get_model

    return without_classifier(get_model(name, weights=None), name, channels)


def googlenet(channels: int) -> tuple[nn.Module, int]:
    """torchvision's GoogLeNet without classifiers and dropout, and its 1,024 features.

    The dropout belongs to the removed classifier: two embeddings of one image must not differ.
    Weights start as in PyTorch's layers: torchvision's own initial weights are so small that,
    before training, all images get the same embedding in evaluation mode.
    """
    from torchvision.models import googlenet as build

    network = build(weights=None, aux_logits=False, init_weights=False)
    network.dropout = nn.Identity()
    return without_classifier(network, "googlenet", channels)


def without_classifier(network: nn.Module, name: str, channels: int) -> tuple[nn.Module, int]:
    """The network for grey or colour images up to its last linear layer `fc`, and its features."""
    if channels not in (1, 3):
        raise ValueError(f"channels is {channels}: {name} takes 1 (grey) or 3 (colour)")
    features = network.get_parameter("fc.weight").shape[1]
    network.add_module("fc", nn.Identity())
    return nn.Sequential(ThreeChannels(), network), features


BACKBONES: dict[str, Callable[[int], tuple[nn.Module, int]]] = {
    "conv4": conv4,
    "resnet18": partial(resnet, "resnet18"),  # 512 features
    "resnet50": partial(resnet, "resnet50"),  # 2,048 features
    "googlenet": googlenet,
}
