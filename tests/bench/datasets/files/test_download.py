"""Downloads from a server on this machine: verified, renamed when complete, clear errors."""

import contextlib
import dataclasses
import hashlib
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import BinaryIO

import numpy as np
import pytest
from pooch import HTTPDownloader

from bench.datasets import DATASETS, download
from bench.datasets.files.download import checksum, fetch
from bench.datasets.files.work import quiet
from bench.datasets.source import Download

CONTENT = np.random.default_rng(7).bytes(700_000)
OFFICIAL = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


class Server(ThreadingHTTPServer):
    """Serves CONTENT, or something else; may stop early, once or always."""

    content = CONTENT
    stops: tuple[int, ...] = ()  # bytes after which the connection ends, for each request
    says_length = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests = 0


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, format: str, *args: object) -> None:
        return None

    def do_GET(self) -> None:
        stop = dict(enumerate(self.server.stops)).get(self.server.requests)
        self.server.requests += 1
        if self.path != "/zoo.zip":
            return self.send_error(404)
        self.send_response(200)
        if self.server.says_length:
            self.send_header("Content-Length", str(len(self.server.content)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # the client may stop early
            self.wfile.write(self.server.content[:stop])
        return None


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry at once."""
    monkeypatch.setattr(time, "sleep", lambda seconds: None)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def file(server: Server) -> Download:
    url = f"http://127.0.0.1:{server.server_port}/zoo.zip"
    return Download(url=url, path="zoo/zoo.zip", checksum=OFFICIAL, size=len(CONTENT))


def _files(root: Path) -> list[str]:
    return sorted(path.name for path in root.rglob("*") if path.is_file())


@pytest.mark.parametrize("says_length", [True, False])
@pytest.mark.parametrize("method", ["sha256", "md5"])
def test_fetch_stores_the_archive_and_reports(
    file: Download, server: Server, tmp_path: Path, method: str, says_length: bool
) -> None:
    server.says_length = says_length
    official = f"{method}:{hashlib.new(method, CONTENT).hexdigest()}"
    steps: list[tuple[str, int, int | None]] = []
    file = dataclasses.replace(file, checksum=official)
    path = fetch(file, tmp_path, lambda *step: steps.append(step))
    assert path == tmp_path / "zoo" / "zoo.zip"
    assert path.read_bytes() == CONTENT
    assert checksum(path, f"{method}:") == official
    assert _files(tmp_path) == ["zoo.zip"]
    assert {(name, total) for name, _, total in steps} == {("zoo.zip", 700_000)}
    done = [step[1] for step in steps]
    assert done[0] == 0
    assert done[-1] == 700_000
    assert done[:-2] == sorted(done[:-2])
    assert len(done) > 9


def test_an_existing_file_is_never_overwritten(
    file: Download, server: Server, tmp_path: Path
) -> None:
    path = fetch(file, tmp_path, quiet)
    before = path.stat()
    assert fetch(file, tmp_path, quiet) == path
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    path.write_bytes(b"mine")
    with pytest.raises(FileExistsError, match=r"zoo.zip exists but is not the official archive"):
        fetch(file, tmp_path, quiet)
    assert path.read_bytes() == b"mine"
    assert server.requests == 1


def test_a_lost_connection_is_tried_again_twice(
    file: Download, server: Server, tmp_path: Path
) -> None:
    server.stops = (300_000, 300_000, 0, 300_000, 0)
    with pytest.raises(ConnectionError, match=r"it was lost .* run the same command again"):
        fetch(file, tmp_path, quiet)
    assert server.requests == 3
    assert _files(tmp_path) == []
    assert fetch(file, tmp_path, quiet).read_bytes() == CONTENT
    assert server.requests == 6


@pytest.mark.parametrize("says_length", [True, False])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (CONTENT[:-1] + b"?", "hash"),
        (CONTENT[:9000], "hash"),
        (CONTENT * 20, "the server sends more than 700,000 bytes"),
    ],
)
def test_wrong_content_leaves_nothing(
    content: bytes, reason: str, file: Download, server: Server, tmp_path: Path, says_length: bool
) -> None:
    server.content, server.says_length = content, says_length
    with pytest.raises(ValueError, match=rf"^{file.url} is not the official archive \(.*{reason}"):
        fetch(file, tmp_path, quiet)
    assert _files(tmp_path) == []


def test_an_address_that_does_not_answer_is_named(file: Download, tmp_path: Path) -> None:
    gone = dataclasses.replace(file, url=file.url.replace("zoo", "gone"))
    target = tmp_path / "zoo" / "zoo.zip"
    with pytest.raises(ConnectionError, match=f"404 .*/gone.zip; try again.* put it at {target}$"):
        fetch(gone, tmp_path, quiet)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/zoo.zip"
        with pytest.raises(ConnectionError, match=f"{url}: no connection, or it was lost"):
            fetch(dataclasses.replace(file, url=url), tmp_path, quiet)


def test_a_full_disk_is_reported_before_the_download(
    file: Download, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=600_000))
    with pytest.raises(OSError, match=r"700,000 bytes needed, 600,000 free\); free some space"):
        fetch(file, tmp_path, quiet)
    assert server.requests == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_disk_that_fills_up_leaves_nothing(
    file: Download, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = HTTPDownloader.__call__

    def full(self: HTTPDownloader, url: str, output: str, manager: object) -> None:
        Path(output).write_bytes(b"half")
        stream: BinaryIO
        with open("/dev/full", "wb") as stream:
            plain(self, url, stream, manager)

    monkeypatch.setattr(HTTPDownloader, "__call__", full)
    with pytest.raises(OSError, match=r"zoo\.zip \(No space left on device\); free some"):
        fetch(file, tmp_path, quiet)
    assert _files(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_named(file: Download, tmp_path: Path) -> None:
    (tmp_path / "zoo").write_text("a file has the folder's name")
    with pytest.raises(OSError, match=rf"cannot write to {tmp_path}/zoo .* --data-root"):
        fetch(file, tmp_path, quiet)


def test_an_interrupted_download_leaves_nothing(file: Download, tmp_path: Path) -> None:
    def interrupt(name: str, done: int, total: int | None) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(file, tmp_path, interrupt)
    assert _files(tmp_path) == []


def test_download_fetches_every_file_of_a_source(
    file: Download, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = (file, dataclasses.replace(file, path="zoo/second.zip"))
    source = dataclasses.replace(DATASETS["omniglot"], files=files)
    monkeypatch.setitem(DATASETS, "omniglot", source)
    paths = download("omniglot", tmp_path, quiet)
    assert paths == [tmp_path / "zoo" / "zoo.zip", tmp_path / "zoo" / "second.zip"]
    assert all(path.stat().st_size == 700_000 for path in paths)
    assert os.listdir(tmp_path) == ["zoo"]
