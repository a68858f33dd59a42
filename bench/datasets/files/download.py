"""One official archive from the network to its place: resumed, verified, never half there."""

import errno
import hashlib
import http.client
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from bench.datasets.files.progress import Report
from bench.datasets.source import Download

_CHUNK = 1 << 18  # bytes
_PATIENCE = 30.0  # seconds without an answer


def fetch(file: Download, root: Path, report: Report) -> Path:
    """Fetch one archive to its place under ``root``; one that is there and verified stays.

    What has come lies beside it as ``<name>.part``, and the next call goes on from there. Renamed
    into place once size and checksum are right. Raises ConnectionError (no network, server's
    refusal, connection lost), OSError (folder or disk), FileExistsError where another file has the
    name, ValueError where the checksum is not the official one.
    """
    target = root / file.path
    if target.exists():
        _require_official(target, file)
        return target
    partial = target.with_name(f"{target.name}.part")
    _make_room(partial, file)
    if _size(partial) < file.size:
        _receive(file, partial, report)
    if (found := checksum(partial, file.checksum)) != file.checksum:
        partial.unlink()
        raise ValueError(
            f"{file.url} is not the official archive: found {found}, expected {file.checksum}; "
            "what was fetched has been deleted, try again"
        )
    os.replace(partial, target)
    return target


def checksum(path: Path, like: str) -> str:
    """The file's checksum by the method named before the colon in ``like``, as method:hex."""
    method = like.split(":", 1)[0]
    with path.open("rb") as stream:
        return f"{method}:{hashlib.file_digest(stream, method).hexdigest()}"


def _require_official(target: Path, file: Download) -> None:
    found = checksum(target, file.checksum)
    if found != file.checksum:
        raise FileExistsError(
            f"{target} is there but is not the official archive: found {found}, expected "
            f"{file.checksum}; `proxy-bench data verify` says whether its contents are good, "
            "otherwise delete it and download again"
        )


def _make_room(partial: Path, file: Download) -> None:
    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
        partial.open("ab").close()
    except OSError as error:
        raise OSError(
            error.errno,
            f"cannot write in {partial.parent} ({error.strerror}); name another folder with "
            "--data-root",
        ) from error
    if _size(partial) > file.size:
        partial.write_bytes(b"")  # more than the whole: no beginning of this file
    free, needed = shutil.disk_usage(partial.parent).free, file.size - _size(partial)
    if free < needed:
        raise _disk_full(partial, f"{needed:,} bytes needed, {free:,} free")


def _receive(file: Download, partial: Path, report: Report) -> None:
    name = Path(file.path).name
    with _open(file.url, partial) as answer:
        resumed = answer.status == http.HTTPStatus.PARTIAL_CONTENT
        with partial.open("ab" if resumed else "wb") as stream:
            report(name, stream.tell(), file.size)
            for chunk in _chunks(answer, file.url):
                _store(chunk, stream, partial)
                report(name, stream.tell(), file.size)
                if stream.tell() > file.size:
                    break  # not the official archive, so no reason to fill the disk with it
    if _size(partial) < file.size:
        lost = f"it ended after {_size(partial):,} of {file.size:,} bytes"
        raise _connection_lost(file.url, lost)


def _open(url: str, partial: Path) -> http.client.HTTPResponse:
    start = _size(partial)
    headers = {"User-Agent": "proxy-bench", **({"Range": f"bytes={start}-"} if start else {})}
    request = urllib.request.Request(url, headers=headers)
    try:
        answer: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=_PATIENCE)
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            partial.unlink()  # no beginning of what the server has: the next call starts afresh
        raise ConnectionError(
            f"{url}: the server answered {error.code} {error.reason}; try again, or fetch the "
            f"archive by hand and put it at {partial.with_suffix('')}"
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise _connection_lost(url, f"{getattr(error, 'reason', error)}") from error
    return answer


def _chunks(answer: http.client.HTTPResponse, url: str) -> Iterator[bytes]:
    try:
        while chunk := answer.read(_CHUNK):
            yield chunk
    except (OSError, http.client.HTTPException) as error:
        raise _connection_lost(url, str(error)) from error


def _store(chunk: bytes, stream: BinaryIO, partial: Path) -> None:
    try:
        stream.write(chunk)
        stream.flush()
    except OSError as error:
        raise _disk_full(partial, str(error.strerror)) from error


def _connection_lost(url: str, reason: str) -> ConnectionError:
    return ConnectionError(
        f"{url}: no connection, or it was lost ({reason}); run the same command again to go on "
        "from what has come"
    )


def _disk_full(partial: Path, detail: str) -> OSError:
    return OSError(
        errno.ENOSPC,
        f"cannot write {partial} ({detail}); free some space, or name another folder with "
        "--data-root, and run the same command again",
    )


def _size(path: Path) -> int:
    return path.stat().st_size
