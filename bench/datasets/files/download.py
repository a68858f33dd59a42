"""Download one official archive: checksum verified before the file gets its name."""

import hashlib
import os
from pathlib import Path

from bench.datasets.files.work import Report, naming_disk, require_space
from bench.datasets.source import Download
from bench.temporary import temporary_folder

_CHUNK = 1 << 16  # bytes
_TIMEOUT = 30.0  # seconds without an answer
_RETRIES = 2
ADVICE = "free some space, or name another folder with --data-root, and run the command again"


def fetch(file: Download, root: Path, report: Report) -> Path:
    """Download one archive to ``root / file.path``, unless the official one is already there.

    pooch downloads to a temporary file and renames it once the checksum is right, so a truncated or
    wrong file never gets the archive's name. A failed download starts again from the beginning.

    Raises: ConnectionError without a connection or if the server refuses; OSError if the folder
    cannot be written or the disk is full; FileExistsError if another file has the name; ValueError
    if the downloaded file is not the official one.
    """
    target = root / file.path
    if not target.exists():
        with naming_disk(f"cannot write to {target.parent}", ADVICE):
            target.parent.mkdir(parents=True, exist_ok=True)
        require_space(target.parent, file.size, f"cannot write to {target.parent}", ADVICE)
        _retrieve(file, target, report)
    elif (found := checksum(target, file.checksum)) != file.checksum:
        raise FileExistsError(
            f"{target} exists but is not the official archive: found {found}, expected "
            f"{file.checksum}; check its contents with `proxy-bench data verify`, or delete it and "
            "download again"
        )
    return target


def _retrieve(file: Download, target: Path, report: Report) -> None:
    import pooch  # imported here because it takes long to import
    import requests

    def download(url: str, output: str, manager: pooch.Pooch) -> None:
        path = Path(output)
        path.unlink()  # pooch's file is for its owner only; a new one follows the umask
        progress = _DownloadProgress(path, target.name, file.size, report)
        pooch.HTTPDownloader(progress, _CHUNK, timeout=_TIMEOUT)(url, output, manager)

    pooch.get_logger().setLevel("WARNING")
    try:
        with temporary_folder(target) as aside:
            manager = pooch.Pooch(
                path=aside,
                base_url="",
                registry={target.name: file.checksum},
                urls={target.name: file.url},
                retry_if_failed=_RETRIES,
            )
            os.replace(manager.fetch(target.name, downloader=download), target)
    except requests.HTTPError as error:
        raise ConnectionError(
            f"{error}; try again, or download the archive by hand and put it at {target}"
        ) from error
    except requests.RequestException as error:
        raise ConnectionError(
            f"{file.url}: no connection, or it was lost ({error}); run the same command again"
        ) from error
    except ValueError as error:
        raise ValueError(f"{file.url} is not the official archive ({error}); try again") from error
    except OSError as error:
        detail = error.strerror or error
        raise OSError(error.errno, f"cannot write to {target} ({detail}); {ADVICE}") from error


class _DownloadProgress:
    """What pooch needs of a progress bar; stops a download that is longer than the archive."""

    def __init__(self, path: Path, name: str, size: int, report: Report) -> None:
        self.path, self.name, self.size, self.report = path, name, size, report
        self.total = 0
        report(name, 0, size)

    def update(self, count: int) -> None:  # pooch's count is its chunk size, not what it wrote
        done = self.path.stat().st_size
        if done > self.size:
            raise ValueError(f"the server sends more than {self.size:,} bytes")
        self.report(self.name, done, self.size)

    def reset(self) -> None:
        """Nothing: the file has the size."""

    def close(self) -> None:
        self.report(self.name, self.size, self.size)


def checksum(path: Path, like: str) -> str:
    """Checksum of a file as ``method:hex``, by the method before the colon in ``like``."""
    method = like.split(":", 1)[0]
    with path.open("rb") as stream:
        return f"{method}:{hashlib.file_digest(stream, method).hexdigest()}"
