"""Batch normalisation in evaluation mode, folded into the convolution before it.

With fixed statistics, the normalisation of a convolution is a convolution with scaled weights and
another bias. Computed so, a training step on a CPU takes about two thirds of the time. Names and
shapes in the state of a network stay as they were.
"""

import math
from collections.abc import Iterator
from copy import deepcopy
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class FoldedNorm(nn.BatchNorm2d):
    """A batch normalisation, and timm's activation in it, that leaves itself to the convolution
    before it in evaluation mode."""

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__(norm.num_features, norm.eps, norm.momentum)
        self.weight, self.bias = norm.weight, norm.bias
        self.running_mean, self.running_var = norm.running_mean, norm.running_var
        self.num_batches_tracked = norm.num_batches_tracked
        for name, child in norm.named_children():  # of timm: drop, act
            self.add_module(name, child)
        self.train(norm.training)

    def forward(self, maps: Tensor) -> Tensor:
        if self.training:
            maps = super().forward(maps)
        for child in self.children():
            maps = child(maps)
        return maps

    def affine_map(self) -> tuple[Tensor, Tensor]:
        """Scale and shift (channels,) that this normalisation is in evaluation mode."""
        assert self.running_mean is not None
        assert self.running_var is not None
        scale = self.weight * torch.rsqrt(self.running_var + self.eps)
        return scale, self.bias - self.running_mean * scale


class FoldedConv(nn.Module):
    """A convolution that also computes the normalisation after it while that is in evaluation
    mode."""

    def __init__(self, conv: nn.Conv2d, norm: FoldedNorm) -> None:
        super().__init__()
        self.weight = conv.weight
        self.bias = conv.bias
        self.stride, self.padding = conv.stride, conv.padding
        self.dilation, self.groups = conv.dilation, conv.groups
        self.pads_as_tensorflow = type(conv).__name__ == "Conv2dSame"
        self.after = (norm,)  # a tuple, because the normalisation is part of another module
        self.train(conv.training)

    def forward(self, maps: Tensor) -> Tensor:
        weight, bias, padding = self.folded(maps.shape[2:])
        return F.conv2d(maps, weight, bias, self.stride, padding, self.dilation, self.groups)

    def folded(self, size: torch.Size) -> tuple[Tensor, Tensor | None, Any]:
        """Weights, bias and padding of the convolution that this one is for maps of a size."""
        weight, bias, padding = self.weight, self.bias, self.padding
        if not self.after[0].training:
            scale, shift = self.after[0].affine_map()
            weight = weight * scale[:, None, None, None]
            bias = shift if bias is None else bias * scale + shift
        if self.pads_as_tensorflow:
            weight, padding = self.padded_alike(weight, size)
        return weight, bias, padding

    @torch.no_grad()
    def as_conv(self, size: torch.Size) -> nn.Conv2d:
        """The same as an ordinary convolution, for maps of a size."""
        weight, bias, padding = self.folded(size)
        outputs, inputs = weight.shape[0], weight.shape[1] * self.groups
        kernel: Any = weight.shape[2:]
        stride: Any = self.stride
        dilation: Any = self.dilation
        conv = nn.Conv2d(
            inputs, outputs, kernel, stride, padding, dilation, self.groups, device=weight.device
        )
        conv.weight = nn.Parameter(weight, requires_grad=False)
        conv.bias = None if bias is None else nn.Parameter(bias, requires_grad=False)
        return conv.train(self.training)

    def padded_alike(self, weight: Tensor, size: torch.Size) -> tuple[Tensor, tuple[int, int]]:
        """Weights and padding, the same on both sides, that equal TensorFlow's for maps of a size.

        That has one more row below than above where their number is odd. A row of zeros on top of
        the kernel does the same, and spares a padded copy of all maps.
        """
        totals = [
            max((math.ceil(side / stride) - 1) * stride + kernel - side, 0)
            for side, stride, kernel in zip(size, self.stride, weight.shape[2:], strict=True)
        ]
        rows, columns = (total % 2 for total in totals)
        after = (totals[0] + rows) // 2, (totals[1] + columns) // 2
        return F.pad(weight, (columns, 0, rows, 0)), after


def fold(network: nn.Module, shape: torch.Size) -> None:
    """Fold every pair of a convolution and the batch normalisation that follows it, in place.

    What follows in the list of modules may not follow in the computation. So the pairs are first
    folded in a copy with other statistics, in double precision; if that gives something else for
    images of this shape, the network is left as it is.
    """
    if not any(list(pairs(parent)) for parent in network.modules()):
        return
    trial = deepcopy(network).double().eval()
    images = randomise(trial, shape)
    with torch.no_grad():
        expected = trial(images)
        fold_pairs(trial)
        found = trial(images)
    if torch.allclose(found, expected, rtol=1e-9, atol=1e-9 * float(expected.abs().max())):
        fold_pairs(network)


def unfolded(network: nn.Module, images: Tensor) -> nn.Module:
    """A copy in evaluation mode that has ordinary convolutions with constant weights instead of
    folded ones, for images of one size. Exporters handle these better than computed weights."""
    copy = deepcopy(network).eval()
    sizes: dict[nn.Module, torch.Size] = {}

    def note_size(conv: nn.Module, inputs: tuple[Tensor]) -> None:
        sizes[conv] = inputs[0].shape[2:]

    folded = [part for part in copy.modules() if isinstance(part, FoldedConv)]
    hooks = [conv.register_forward_pre_hook(note_size) for conv in folded]
    with torch.no_grad():
        copy(images)
    for hook in hooks:
        hook.remove()
    for parent in list(copy.modules()):
        for name, conv in list(parent.named_children()):
            if isinstance(conv, FoldedConv):
                setattr(parent, name, conv.as_conv(sizes[conv]))
    return copy


def randomise(network: nn.Module, shape: torch.Size) -> Tensor:
    """Give every batch normalisation statistics and factors that show; returns images."""
    generator = torch.Generator().manual_seed(0)
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d) and norm.affine and norm.running_mean is not None:
            state = norm.state_dict()
            for name in ("weight", "running_var"):
                state[name].uniform_(0.5, 1.5, generator=generator)
            for name in ("bias", "running_mean"):
                state[name].normal_(0, 0.5, generator=generator)
    return torch.rand(shape, generator=generator, dtype=torch.float64)


def fold_pairs(network: nn.Module) -> None:
    """Replace every pair of `pairs` by the same modules in folded form."""
    for parent in list(network.modules()):
        for (conv_name, conv), (norm_name, norm) in list(pairs(parent)):
            folded = FoldedNorm(norm)
            setattr(parent, conv_name, FoldedConv(conv, folded))
            setattr(parent, norm_name, folded)


def pairs(
    parent: nn.Module,
) -> Iterator[tuple[tuple[str, nn.Conv2d], tuple[str, nn.BatchNorm2d]]]:
    """Children of a module, with their names, that are a convolution and a normalisation next to
    it. The kinds are exact, because a subclass may compute something else."""
    for (conv_name, conv), (norm_name, norm) in pairwise(parent.named_children()):
        if (
            isinstance(conv, nn.Conv2d)
            and isinstance(norm, nn.BatchNorm2d)
            and type(conv).__name__ in ("Conv2d", "Conv2dSame")
            and type(norm).__name__ in ("BatchNorm2d", "BatchNormAct2d")
            and conv.out_channels == norm.num_features
            and conv.padding_mode == "zeros"
            and (type(conv).__name__ == "Conv2d" or tuple(conv.dilation) == (1, 1))
            and norm.affine
            and norm.track_running_stats
        ):
            yield (conv_name, conv), (norm_name, norm)
