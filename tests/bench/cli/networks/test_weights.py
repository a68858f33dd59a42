"""`proxy-bench weights`: what is printed, and one message with exit code 1 for a mistake."""

import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from bench.cli import main as command_line
from bench.weights import LITE0, LITE0_SHA256
from tests.support.hub import store

NAME = "timm:resnet50.tv_in1k"
Command = Callable[..., str]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the hub with one file."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    store(tmp_path, NAME.replace(":", "/"), "model.safetensors", b"tensors")
    return tmp_path


@pytest.fixture
def command(
    hub: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Command:
    """`proxy-bench weights` in this process; returns the text of both streams."""

    def run(*arguments: str, code: int = 0) -> str:
        monkeypatch.setenv("COLUMNS", "400")
        monkeypatch.setattr(sys, "argv", ["proxy-bench", "weights", *arguments])
        with pytest.raises(SystemExit) as ended:
            command_line.main()
        captured = capfd.readouterr()
        assert (ended.value.code or 0) == code, captured
        return captured.out + captured.err

    return run


def test_list_shows_licence_size_and_path(command: Command, hub: Path) -> None:
    output = command("list")
    (lite0,) = [line for line in output.splitlines() if LITE0 in line]
    assert "Apache-2.0" in lite0
    assert "18.8 MB" in lite0
    (cached,) = [line for line in output.splitlines() if NAME in line]
    assert "bsd-3-clause" in cached
    assert str(hub) in cached


def test_list_adds_names_of_timm(command: Command) -> None:
    output = command("list", "resnet26.*")
    assert any(
        "timm:resnet26.bt_in1k" in line and "not here" in line for line in output.splitlines()
    )
    assert NAME in output
    assert "no name of timm matches 'nothing'" in command("list", "nothing", code=1)


def test_list_names_a_damaged_file(command: Command, hub: Path) -> None:
    (blob,) = hub.glob("*/blobs/*")
    blob.write_bytes(b"")
    assert f"expected {blob.name[:12]}" in command("list")


@pytest.mark.parametrize(
    ("name", "digest", "licence"),
    [(LITE0, LITE0_SHA256, "Apache-2.0"), (NAME, sha256(b"tensors").hexdigest(), "bsd-3-clause")],
)
def test_verify_prints_licence_and_digest(
    name: str, digest: str, licence: str, command: Command
) -> None:
    output = command("verify", name)
    assert f"SHA-256: {digest}" in output
    assert f"Licence: {licence}" in output
    assert f"{name}: no problems" in output


def test_embedded_weights_need_no_download(command: Command) -> None:
    assert f"{LITE0} is embedded: there is nothing to download" in command("download", LITE0)


@pytest.mark.parametrize("action", ["verify", "download"])
def test_a_backbone_without_weights_is_one_message(action: str, command: Command) -> None:
    output = command(action, "conv4", code=1)
    assert output == (
        "proxy-bench: weights: conv4 has none; efficientnet_lite0 and the backbones of timm "
        "(timm:NAME) have\n"
    )


def test_verify_refuses_what_changed(command: Command, hub: Path) -> None:
    (blob,) = hub.glob("*/blobs/*")
    blob.write_bytes(b"")
    assert f"`proxy-bench weights download {NAME}` fetches it again" in command(
        "verify", NAME, code=1
    )
