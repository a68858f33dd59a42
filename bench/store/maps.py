"""Maps: the test images of a run as points of a plane, for the browser.

They lie beside the results, in `<results>/maps/<run name>.safetensors`, because they follow from
embeddings that trimmed results lack. They name the network and the images that they show.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import safe_open

from bench.spec import sha256
from bench.store.runs import Run, StoredRunError, naming, save_arrays
from bench.store.thumbnails import arrays_digest

CONTENT = "sha256"  # of all else in the file, which files of earlier versions lack


@dataclass(frozen=True, eq=False)
class Map:
    """Points (N, 2) float32 of the test images, in the order of their embeddings.

    method, how they were found; variance, the share of the embeddings' variance that both axes
    have together, of a linear map; kept, the share of an image's 10 nearest images that are among
    its 10 nearest points, as a mean over all images, or over 1,000 if there are more.
    """

    points: np.ndarray
    method: str
    kept: float
    variance: float | None = None


def map_path(results: Path, run: Run) -> Path:
    """The file of a run's map."""
    return results / "maps" / f"{run.name}.safetensors"


def save_map(results: Path, run: Run, found: Map) -> None:
    """Store the map of a run."""
    header = {"method": found.method, "kept": str(found.kept), **owner_of(run)}
    header[CONTENT] = content_digest(header, found.points)
    path = map_path(results, run)
    path.parent.mkdir(exist_ok=True)
    save_arrays(path, {"points": found.points}, header)


def load_map(results: Path, run: Run) -> Map | None:
    """The stored map of a run, None if there is none.

    Raises: StoredRunError naming the file if it is damaged, or of another network or other images.
    """
    path = map_path(results, run)
    if not path.exists():
        return None
    with naming(path), safe_open(path, "numpy") as file:
        header, points = file.metadata() or {}, file.get_tensor("points")
        found = Map(points, header["method"], float(header["kept"]))
    stored = header.pop(CONTENT, None)
    if stored not in (None, content_digest(header, points)):
        raise StoredRunError(f"{path} was changed after it was stored; delete it")
    whole = points.ndim == 2 and points.shape[1] == 2 and np.isfinite(points).all()
    owner = owner_of(run)
    named = {"data_checksum": owner["data_checksum"], **header}  # which earlier maps lack
    if not whole or any(named.get(name) != value for name, value in owner.items()):
        raise StoredRunError(f"{path} is not a map of this run; delete it")
    return found


def content_digest(header: Mapping[str, str], points: np.ndarray) -> str:
    """SHA-256 of what a map's file holds."""
    return sha256({**header, "points": arrays_digest({"points": points})})


def owner_of(run: Run) -> dict[str, str]:
    """What a map holds of the run that it shows, which trimming does not change: also the images,
    as those that test may change without the network."""
    return {
        "spec_id": run.spec_id,
        "parameters": str(run.record["parameters"]["sha256"]),
        "data_checksum": str(run.record["data_checksum"]),
    }
