"""Data sets that are downloaded or brought by hand, and weights, from a server on this machine."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from zipfile import ZipFile

import numpy as np

from bench.datasets import DATASETS
from bench.datasets.files.photographs import Photographs
from bench.datasets.source import Archive, Download, Source
from bench.datasets.splits import class_disjoint
from bench.datasets.types import Dataset
from tests.support.photographs import picture

CONTENT = np.random.default_rng(7).bytes(200_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NAMES = tuple(f"{label}/{i}.png" for label in "abc" for i in range(2))


class Handler(BaseHTTPRequestHandler):
    """Answers everything with CONTENT, and with what the hub says of a file."""

    def log_message(self, format: str, *args: object) -> None:
        return None

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("ETag", f'"{SHA256}"')
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        self.wfile.write(CONTENT)


@contextmanager
def serving() -> Iterator[str]:
    """The address of a server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def sources(address: str) -> dict[str, Source]:
    """A data set that is downloaded, and one of which the user gets an archive."""
    plain = replace(
        DATASETS["sop"], check=lambda *_: [], photographs=False, fingerprints={"official": None},
        load=load, files=(), archives=(), by_hand="",
    )  # fmt: skip
    file = Download(f"{address}/served.zip", "served/served.zip", f"sha256:{SHA256}", len(CONTENT))
    archive = Archive("brought.zip", None, "brought")
    return {
        "served": replace(plain, files=(file,)),
        "brought": replace(plain, archives=(archive,), by_hand="Ask the keeper."),
    }


def load(root: Path | None, protocol: str) -> Dataset:
    """The data set `brought`."""
    place = (root or Path()) / "brought"
    if not place.is_dir():
        raise FileNotFoundError(f"{place} is missing")
    labels = np.repeat(np.arange(3), 2)
    split = class_disjoint(labels, validation=np.array([1]), test=np.array([2]))
    return Dataset("brought", Photographs(place, NAMES), labels, tuple("abc"), NAMES, split)


def bring(root: Path) -> None:
    """Put the archive of `brought` under a data root; it has a file beside the main folder."""
    root.mkdir()
    with ZipFile(root / "brought.zip", "w") as archive:
        archive.writestr("notes.txt", "Cut from life.")
        for seed, name in enumerate(NAMES):
            archive.writestr(f"brought/{name}", picture(seed))
