"""Weights of a file, read into a backbone of timm: all of them, or none with a reason."""

import re
import sys
import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from proxy_core.models.timm_backbone import TimmBackbone

Weights = Mapping[str, Tensor]
PARTS = ("backbone.", "head.")  # begin the names of an `EmbeddingModel`'s tensors

# Names in the file of the original EfficientNet-Lite0, and timm's. Blocks are numbered throughout
# there, and by stage here.
LITE0_REPEATS = (1, 2, 2, 3, 3, 4, 1)  # blocks of each stage
LITE0_AROUND = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
LITE0_FIRST = {
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn1",
    "_project_conv": "conv_pw",
    "_bn2": "bn2",
}
LITE0_BLOCK = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def load_weights(backbone: nn.Module, name: str, path: Path) -> None:
    """Give a backbone the weights of a file, except those of a classifier.

    Arguments: backbone, of an `EmbeddingModel`; name, what it was made by; path, a .safetensors
    file, or a PyTorch file of tensors, with timm's names or those of the network's authors.
    Position embeddings of another image size are interpolated.
    Raises: ValueError, with the backbone as it was, if the file is missing or damaged, is for
    another network, or has values that are not finite.
    """
    if not isinstance(backbone, TimmBackbone):
        raise ValueError(f"backbone {name!r} takes no weights: efficientnet_lite0 and timm:NAME do")
    network = backbone.network
    expected = network.state_dict()
    found = fitting(network, expected, read_weights(path, name))
    problems = differences(expected, found)
    if problems:
        raise ValueError(
            f"{path} does not hold the weights of {name}: {'; '.join(problems)}. Choose the "
            "backbone that the file was made for"
        )
    bad = [key for key in expected if key in found and not bool(found[key].isfinite().all())]
    if bad:
        raise ValueError(f"{path} has NaN or infinite weights: {some(bad)}. {advice(name)}")
    network.load_state_dict({key: found.get(key, expected[key]) for key in expected})


def read_weights(path: Path, name: str) -> Weights:
    """Tensors of a file by their names, without running any code that is in it."""
    from timm.models import load_state_dict

    if not path.is_file():
        raise ValueError(f"{path} is missing, or no file: expected weights of {name}")
    try:
        with warnings.catch_warnings():  # of pickles, which are refused
            warnings.simplefilter("ignore")
            content = load_state_dict(str(path), weights_only=True)
    except Exception as error:  # a damaged file can raise anything
        reason = reason_of(error)
        raise ValueError(
            f"{path} is damaged, or is not a .safetensors or PyTorch file of nothing but tensors "
            f"({reason}). {advice(name)}"
        ) from error
    tensors = {key: value for key, value in content.items() if isinstance(value, Tensor)}
    if not tensors:
        raise ValueError(f"{path} holds no tensors: expected weights of {name}")
    if all(key.startswith(PARTS) for key in tensors):
        raise ValueError(
            f"{path} is a whole embedding model, as runs store it: it was trained on classes that "
            "may be tested here, and its features would count as pretrained. Give the weights that "
            f"it began with. {advice(name)}"
        )
    return tensors


def reason_of(error: Exception) -> str:
    """The first sentence of an error, after its kind."""
    words = re.split(r"\. |\n", str(error).strip(), maxsplit=1)[0][:200]
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def fitting(network: Any, expected: Weights, found: Weights) -> Weights:
    """The tensors under timm's names, without those of a classifier that the network lacks."""
    if "_conv_stem.weight" in found:
        found = rename_lite0(found)
    convert = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
    if convert and differences(expected, without_classifier(network, expected, found)):
        try:
            found = convert(dict(found), network)  # timm's: other names, another image size
        except Exception:  # foreign weights can make it raise anything; they are refused later
            return found
    return without_classifier(network, expected, found)


def without_classifier(network: Any, expected: Weights, found: Weights) -> Weights:
    names = network.pretrained_cfg.get("classifier") or ()
    prefixes = tuple(f"{name}." for name in ((names,) if isinstance(names, str) else names))
    others = [key for key in found if key not in expected and not key.startswith(prefixes)]
    if others:
        of_classifier = names_with_classifier(network)
        others = [key for key in others if key not in of_classifier]
    return {key: value for key, value in found.items() if key in expected or key in others}


def names_with_classifier(network: Any) -> set[str]:
    """Names of the network's tensors with its classifier, which may have a norm beside its linear
    part (LeViT)."""
    from timm import create_model

    with torch.device("meta"):
        return set(create_model(network.pretrained_cfg["architecture"]).state_dict())


def differences(expected: Weights, found: Weights) -> list[str]:
    """In words, what is missing, what is too much and what has another shape."""
    missing = [
        key for key in expected if key not in found and not key.endswith("num_batches_tracked")
    ]
    extra = [key for key in found if key not in expected]
    other = [
        f"{key} is {shape_of(found[key])}, expected {shape_of(expected[key])}"
        for key in expected
        if key in found and shape_of(found[key]) != shape_of(expected[key])
    ]
    parts = {
        "are missing": missing,
        "are not in the network": extra,
        "have another shape": other,
    }
    return [
        f"{len(names)} of {len(expected)} tensors {what} ({some(names)})"
        for what, names in parts.items()
        if names
    ]


def shape_of(tensor: Tensor) -> str:
    """`64x3x7x7`, and the type of numbers that are not floating point where there are several."""
    shape = "x".join(map(str, tensor.shape)) or "one number"
    return shape if tensor.is_floating_point() or not tensor.ndim else f"{shape} {tensor.dtype}"


def some(names: Collection[str]) -> str:
    """The first three names, and that there are more."""
    return ", ".join(list(names)[:3]) + (", ..." if len(names) > 3 else "")


def advice(name: str) -> str:
    return (
        "If it is yours, save its state_dict again. Of the published weights, `proxy-bench "
        f"weights verify {name}` checks the file, `proxy-bench weights download {name}` fetches it"
    )


def rename_lite0(found: Weights) -> Weights:
    """Weights of the original EfficientNet-Lite0 under timm's names."""
    stages = [
        f"blocks.{stage}.{block}"
        for stage, repeats in enumerate(LITE0_REPEATS)
        for block in range(repeats)
    ]
    names = dict(LITE0_AROUND)
    for number, place in enumerate(stages):
        for old, new in (LITE0_BLOCK if number else LITE0_FIRST).items():
            names[f"_blocks.{number}.{old}"] = f"{place}.{new}"
    split = {key: key.rpartition(".") for key in found}
    return {
        f"{names.get(module, module)}.{last}": found[key]
        for key, (module, _, last) in split.items()
    }
