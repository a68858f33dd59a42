"""A cache of the Hugging Face hub, and the errors of its library, without the hub."""

from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from huggingface_hub.errors import HfHubHTTPError

COMMIT = "0" * 40


def store(hub: Path, repository: str, name: str, content: bytes) -> Path:
    """Write a file into a cache as the hub's library does; returns the file behind the link."""
    folder = hub / f"models--{repository.replace('/', '--')}"
    blob = folder / "blobs" / sha256(content).hexdigest()
    link = folder / "snapshots" / COMMIT / name
    for path in (blob, link, folder / "refs" / "main"):
        path.parent.mkdir(parents=True, exist_ok=True)
    blob.write_bytes(content)
    link.symlink_to(blob)
    (folder / "refs" / "main").write_text(COMMIT)
    return blob


def hub_error(kind: type[HfHubHTTPError], status: int) -> HfHubHTTPError:
    """An error of the hub's library with an answer of the hub."""
    response: Any = SimpleNamespace(headers={}, request=None, status_code=status)
    return kind("refused", response=response)
