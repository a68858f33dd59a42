"""Downloads from a server on this machine: resumed, verified, renamed into place, clear errors."""

import dataclasses
import hashlib
import os
import shutil
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from bench.datasets import DATASETS, Download, download
from bench.datasets.files.download import checksum, fetch

CONTENT = np.random.default_rng(7).bytes(700_000)
OFFICIAL = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


class Server(ThreadingHTTPServer):
    """Serves CONTENT; can ignore ranges, stop early, or serve something else."""

    content = CONTENT
    ranges = True
    stop_after: int | None = None

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str | None] = []


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, format: str, *args: object) -> None:
        return None

    def do_GET(self) -> None:
        wanted = self.headers["Range"]
        self.server.asked.append(wanted)
        if self.path != "/zoo.zip":
            return self.send_error(404)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if not self.server.ranges:
            start = 0
        elif start >= len(self.server.content):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(self.server.content) - start))
        self.end_headers()
        self.wfile.write(self.server.content[start:][: self.server.stop_after])
        return None


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


class Step(NamedTuple):
    name: str
    done: int
    total: int | None


def _quiet(name: str, done: int, total: int | None) -> None:
    return None


def _partial(root: Path, content: bytes) -> Path:
    path = root / "zoo" / "zoo.zip.part"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def _files(root: Path) -> list[str]:
    return sorted(path.name for path in root.rglob("*") if path.is_file())


def test_fetch_puts_the_archive_into_place_and_reports(file: Download, tmp_path: Path) -> None:
    steps: list[Step] = []
    path = fetch(file, tmp_path, lambda *step: steps.append(Step(*step)))
    assert path == tmp_path / "zoo" / "zoo.zip"
    assert path.read_bytes() == CONTENT
    assert _files(tmp_path) == ["zoo.zip"]
    assert steps[0] == ("zoo.zip", 0, 700_000)
    assert steps[-1] == ("zoo.zip", 700_000, 700_000)
    done = [step.done for step in steps]
    assert done == sorted(done)
    assert len(done) > 2


def test_md5_works_too(file: Download, tmp_path: Path) -> None:
    md5 = f"md5:{hashlib.md5(CONTENT).hexdigest()}"
    path = fetch(dataclasses.replace(file, checksum=md5), tmp_path, _quiet)
    assert checksum(path, "md5:") == md5


def test_an_archive_that_is_there_stays(file: Download, server: Server, tmp_path: Path) -> None:
    path = fetch(file, tmp_path, _quiet)
    before = path.stat()
    assert fetch(file, tmp_path, _quiet) == path
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert len(server.asked) == 1


def test_another_file_of_that_name_is_never_overwritten(
    file: Download, server: Server, tmp_path: Path
) -> None:
    (tmp_path / "zoo").mkdir()
    (tmp_path / "zoo" / "zoo.zip").write_bytes(b"mine")
    with pytest.raises(FileExistsError, match=r"zoo.zip is there but is not the official archive"):
        fetch(file, tmp_path, _quiet)
    assert (tmp_path / "zoo" / "zoo.zip").read_bytes() == b"mine"
    assert server.asked == []


def test_a_lost_connection_is_resumed(file: Download, server: Server, tmp_path: Path) -> None:
    server.stop_after = 300_000
    with pytest.raises(ConnectionError, match="run the same command again to go on"):
        fetch(file, tmp_path, _quiet)
    assert _files(tmp_path) == ["zoo.zip.part"]
    assert (tmp_path / "zoo" / "zoo.zip.part").read_bytes() == CONTENT[:300_000]
    server.stop_after = None
    steps: list[Step] = []
    path = fetch(file, tmp_path, lambda *step: steps.append(Step(*step)))
    assert server.asked == [None, "bytes=300000-"]
    assert steps[0].done == 300_000
    assert path.read_bytes() == CONTENT
    assert _files(tmp_path) == ["zoo.zip"]


def test_a_server_without_ranges_starts_afresh(
    file: Download, server: Server, tmp_path: Path
) -> None:
    server.ranges = False
    _partial(tmp_path, CONTENT[:1000])
    assert fetch(file, tmp_path, _quiet).read_bytes() == CONTENT


def test_a_complete_partial_needs_no_server(file: Download, server: Server, tmp_path: Path) -> None:
    _partial(tmp_path, CONTENT)
    assert fetch(file, tmp_path, _quiet).read_bytes() == CONTENT
    assert server.asked == []


def test_an_oversized_partial_is_dropped(file: Download, server: Server, tmp_path: Path) -> None:
    _partial(tmp_path, CONTENT + b"x")
    assert fetch(file, tmp_path, _quiet).read_bytes() == CONTENT
    assert server.asked == [None]


@pytest.mark.parametrize("content", [CONTENT[:-1] + b"?", CONTENT + b"?" * 900_000])
def test_wrong_content_is_deleted_and_said(
    content: bytes, file: Download, server: Server, tmp_path: Path
) -> None:
    server.content = content
    steps: list[Step] = []
    with pytest.raises(
        ValueError, match=rf"not the official .* found sha256:\w+, expected {OFFICIAL}"
    ):
        fetch(file, tmp_path, lambda *step: steps.append(Step(*step)))
    assert _files(tmp_path) == []
    assert steps[-1].done < 1_000_000  # not all of a surplus is fetched


def test_a_partial_the_server_cannot_continue_is_dropped(
    file: Download, server: Server, tmp_path: Path
) -> None:
    server.content = CONTENT[:500]
    _partial(tmp_path, CONTENT[:1000])
    with pytest.raises(ConnectionError, match="the server answered 416"):
        fetch(file, tmp_path, _quiet)
    assert _files(tmp_path) == []


def test_not_found_names_the_address(file: Download, tmp_path: Path) -> None:
    gone = dataclasses.replace(file, url=file.url.replace("zoo", "gone"))
    target = tmp_path / "zoo" / "zoo.zip"
    message = f"/gone.zip: the server answered 404 .* put it at {target}$"
    with pytest.raises(ConnectionError, match=message):
        fetch(gone, tmp_path, _quiet)


def test_no_network_is_said(file: Download, tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/zoo.zip"
        with pytest.raises(ConnectionError, match=f"{url}: no connection, or it was lost"):
            fetch(dataclasses.replace(file, url=url), tmp_path, _quiet)


def test_a_full_disk_is_seen_before_anything_is_fetched(
    file: Download, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=600_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(OSError, match=r"700,000 bytes needed, 600,000 free\); free some space"):
        fetch(file, tmp_path, _quiet)
    assert server.asked == []
    _partial(tmp_path, CONTENT[:100_000])  # the rest fits
    assert fetch(file, tmp_path, _quiet).read_bytes() == CONTENT


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_disk_that_fills_up_is_said(file: Download, tmp_path: Path) -> None:
    (tmp_path / "zoo").mkdir()
    (tmp_path / "zoo" / "zoo.zip.part").symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"zoo\.zip\.part \(No space left on device\); free some"):
        fetch(file, tmp_path, _quiet)


def test_a_folder_which_cannot_be_written_is_said(file: Download, tmp_path: Path) -> None:
    (tmp_path / "zoo").write_text("a file is in the way")
    with pytest.raises(OSError, match=rf"cannot write in {tmp_path}/zoo .* --data-root"):
        fetch(file, tmp_path, _quiet)


def test_download_fetches_every_file_of_a_source(
    file: Download, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = (file, dataclasses.replace(file, path="zoo/second.zip"))
    source = dataclasses.replace(DATASETS["omniglot"], files=files)
    monkeypatch.setitem(DATASETS, "omniglot", source)
    paths = download("omniglot", tmp_path, _quiet)
    assert paths == [tmp_path / "zoo" / "zoo.zip", tmp_path / "zoo" / "second.zip"]
    assert all(path.stat().st_size == 700_000 for path in paths)
    assert os.listdir(tmp_path) == ["zoo"]
