"""Backbones from timm, with the input that their weights were trained on."""

from collections.abc import Sequence
from difflib import get_close_matches
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

PREFIX = "timm:"
POOLINGS = {"avg": "avg", "max": "max", "avg+max": "avgmax"}  # our names and timm's
# What the embedded weights of EfficientNet-Lite0 were trained on: (bytes - 127) / 128.
LITE0 = "tf_efficientnet_lite0"
LITE0_MEAN, LITE0_STD = (127 / 255,) * 3, (128 / 255,) * 3


class TimmBackbone(nn.Module):
    """A network of timm without its classifier, for images in 0..1.

    forward: images (B, 1 or 3, H, W) -> pooled features (B, F). Grey is repeated in three
    channels; the mean and the standard deviation of the network's training images are inside.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: Any, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.network: Any = network
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.network((images.expand(-1, 3, -1, -1) - self.mean) / self.std)
        return features


class TwiceTheMean(nn.Module):
    """The sum of average and maximum; timm's own pooling gives their mean."""

    def __init__(self, mean: nn.Module) -> None:
        super().__init__()
        self.mean = mean

    def forward(self, maps: Tensor) -> Tensor:
        pooled: Tensor = 2 * self.mean(maps)
        return pooled


def import_timm(backbone: str) -> ModuleType:
    """timm, or a ValueError that says how to install it."""
    try:
        import timm
    except ModuleNotFoundError as error:
        if error.name != "timm":
            raise
        raise ValueError(
            f"backbone {backbone!r} needs timm; pip install 'proxy-bench[pretrained]'"
        ) from None
    module: ModuleType = timm
    return module


def efficientnet_lite0(
    channels: int, pooling: str, image_side: int | None
) -> tuple[nn.Module, int]:
    """EfficientNet-Lite0 as TensorFlow pads it, with the input of its embedded weights."""
    name = "efficientnet_lite0"
    network = make_network(name, LITE0, pooling, image_side)
    check_channels(name, channels)
    return TimmBackbone(network, LITE0_MEAN, LITE0_STD), image_side or usual_side(network)


def timm_backbone(
    name: str, channels: int, pooling: str, image_side: int | None
) -> tuple[nn.Module, int]:
    """The network `timm:NAME` and the side of its images, see `make_backbone`."""
    wanted = name.removeprefix(PREFIX)
    check_name(name, wanted)
    network = make_network(name, wanted, pooling, image_side)
    check_channels(name, channels)
    configuration = network.pretrained_cfg
    model = TimmBackbone(network, configuration["mean"], configuration["std"])
    return model, image_side or usual_side(network)


def check_channels(backbone: str, channels: int) -> None:
    if channels not in (1, 3):
        raise ValueError(f"channels is {channels}: {backbone} takes 1 (grey) or 3 (colour)")


def check_name(backbone: str, wanted: str) -> None:
    """ValueError with a suggestion, unless timm has this network and these weights of it."""
    timm = import_timm(backbone)
    network, _, tag = wanted.partition(".")
    known = timm.list_models()
    if network not in known:
        missing, close = "network", get_close_matches(network, known, 1)
    else:
        known = timm.list_models(f"{network}.*", include_tags=True)
        missing, close = "weights of it", get_close_matches(wanted, known, 3)
        if not tag or wanted in known:
            return
    hint = f"; did you mean {' or '.join(PREFIX + name for name in close)}?" if close else ""
    raise ValueError(
        f"unknown backbone {backbone!r}: timm {timm.__version__} has no such {missing}{hint}"
    )


def make_network(backbone: str, name: str, pooling: str, image_side: int | None) -> Any:
    """timm's network without classifier and weights, with this pooling, for images of this side."""
    timm = import_timm(backbone)
    fixed = getattr(timm.get_pretrained_cfg(name), "fixed_input_size", False)
    size = {"img_size": image_side} if fixed and image_side else {}
    try:
        network = timm.create_model(name, pretrained=False, num_classes=0, **size)
    except (AssertionError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(refused(backbone, image_side, error)) from error
    set_pooling(backbone, network, pooling)
    if image_side:
        check_side(backbone, network, image_side)
    return network


def set_pooling(backbone: str, network: Any, pooling: str) -> None:
    """Change how the last maps are pooled; ValueError if the network has no such choice."""
    from timm.layers import SelectAdaptivePool2d

    if any(isinstance(part, SelectAdaptivePool2d) for part in network.modules()):
        network.reset_classifier(0, POOLINGS[pooling])
    elif pooling != "avg":
        raise ValueError(
            f"pooling is {pooling!r}: {backbone} has a pooling of its own, such as a class token; "
            "'avg' leaves it as it is"
        )
    for part in network.modules():
        if pooling == "avg+max" and isinstance(part, SelectAdaptivePool2d):
            part.pool = TwiceTheMean(part.pool)


def check_side(backbone: str, network: Any, image_side: int) -> None:
    """ValueError for a size at which a network would see other or fewer pixels than it should.

    Where padding follows from the size, as TensorFlow does, a side that is halved five times must
    stay whole; and what does not fill the last of separate patches would fall out. The few pixels
    that a stride may leave out are no error; `unseen_edge` counts them.
    """
    from timm.layers import Conv2dSame

    if any(isinstance(part, Conv2dSame) for part in network.modules()):
        unit, reason = 32, "pads as TensorFlow does"
    elif patch := patch_side(network):
        unit, reason = patch, f"cuts images into patches of {patch} pixels"
    else:
        return
    if image_side % unit and image_side != usual_side(network):
        nearest = max(1, round(image_side / unit)) * unit
        fitting = f"it {reason}, which needs a multiple of {unit}, such as {nearest}"
        raise ValueError(refused(backbone, image_side, ValueError(fitting)))


def patch_side(network: Any) -> int | None:
    """Side of the separate patches that a transformer or mixer cuts images into, pixels; None for
    other networks, also where patches overlap."""
    found = (getattr(network, name, None) for name in ("patch_embed", "pixel_embed", "stem"))
    embedding: Any = next((part for part in found if hasattr(part, "patch_size")), None)
    if embedding is None:
        return None
    sides: int | Sequence[int] = embedding.patch_size
    size = sides if isinstance(sides, int) else sides[0]
    cut = next((part for part in embedding.modules() if isinstance(part, nn.Conv2d)), None)
    return None if cut and cut.kernel_size[0] == size > cut.stride[0] else size


def usual_side(network: Any) -> int:
    """Side of the images that the network's weights were trained on, pixels."""
    side: int = network.pretrained_cfg["input_size"][-1]
    return side


def refused(backbone: str, side: int | None, error: Exception) -> str:
    """What to say when a network does not take images of a size."""
    reason = str(error).strip().partition("\n")[0] or type(error).__name__
    size = f"images of {side} x {side} pixels" if side else "to be built"
    return f"backbone {backbone!r} refuses {size}: {reason}"
