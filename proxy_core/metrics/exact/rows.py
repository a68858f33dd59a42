"""Ranking by whole rows of similarities in float64, on any device."""

from collections.abc import Callable

import torch
from torch import Tensor

from proxy_core.distances import unit
from proxy_core.metrics.ranking import group, rank_rows

Progress = Callable[[int, int], None]  # called with what is done of how much
Side = tuple[Tensor, Tensor, Tensor]  # vectors (N, D), labels (N,), ids (N,)

CELLS = {"cpu": 2**22, "cuda": 2**26}  # similarities at a time: 32 MB and 512 MB
CHUNK = 4096  # rows whose copy in float64 is made at a time


def rank_in_float64(
    queries: Side,
    gallery: Side,
    neighbors: int,
    progress: Progress | None,
    *,
    euclidean: bool,
) -> list[Tensor]:
    """The fields of `Ranking` from whole rows of similarities, of some queries at a time.

    Results go to their place at once: kept apart, they would stand between the large matrices and
    keep their memory from being used again.
    """
    by_label, by_id = group(gallery[1]), group(gallery[2])
    cells = CELLS.get(queries[0].device.type, CELLS["cuda"])
    size = max(1, cells // len(gallery[0]))
    fields, done = empty_fields(len(queries[0]), neighbors), 0
    for vectors, labels, ids in zip(*(torch.split(part, size) for part in queries), strict=True):
        rows = similarities(vectors, gallery[0], euclidean=euclidean)
        ranked = rank_rows(rows, labels, ids, by_label, by_id, neighbors, euclidean=euclidean)
        for field, some in zip(fields, ranked, strict=True):
            field[done : done + len(vectors)] = some
        done += len(vectors)
        if progress:
            progress(done, len(queries[0]))
    return fields


def empty_fields(queries: int, neighbors: int) -> list[Tensor]:
    """The fields of `Ranking`, to be filled in."""
    whole, real = torch.int64, torch.float64
    scores = [torch.zeros(queries, dtype=dtype) for dtype in (whole, whole, real, real)]
    lists = torch.zeros(queries, neighbors, dtype=torch.float32)
    return [*scores, lists.long(), lists]


def similarities(vectors: Tensor, gallery: Tensor, *, euclidean: bool) -> Tensor:
    """Cosines or minus squared distances (T, G) in float64 of rows (T, D) and (G, D)."""
    rows = vectors.new_empty(len(vectors), len(gallery), dtype=torch.float64)
    ready = Tensor.double if euclidean else directions
    asked = ready(vectors)
    for chunk, out in zip(
        torch.split(gallery, CHUNK), torch.split(rows, CHUNK, dim=1), strict=True
    ):
        out.copy_(exact_similarities(asked, ready(chunk), euclidean=euclidean))
    return rows


def exact_similarities(left: Tensor, right: Tensor, *, euclidean: bool) -> Tensor:
    """Products, or minus squared distances, (T, G) of rows (T, D) and (G, D) in float64."""
    if euclidean:  # not by products, which would lose what is near
        distances = torch.cdist(left, right, compute_mode="donot_use_mm_for_euclid_dist")
        return -(distances**2)
    return left @ right.T


def directions(vectors: Tensor) -> Tensor:
    """Unit vectors (N, D) in float64, also of rows whose squares float64 cannot hold."""
    vectors = vectors.double()
    largest = vectors.abs().amax(dim=1, keepdim=True)
    if ((largest > 1e100) | ((largest < 1e-100) & (largest > 0))).any():
        vectors = vectors / largest.masked_fill(largest == 0, 1.0)
    return unit(vectors)


def center_and_reach(queries: Tensor, gallery: Tensor) -> tuple[Tensor, float]:
    """Mean (D,) of the gallery (G, D) and the largest distance from it; 1 if all are equal.

    ValueError where float64 cannot hold the square of that distance, or float32 the distance.
    """
    chunks = torch.split(gallery, CHUNK)  # one sum of all would make a copy in float64
    total = torch.stack([rows.sum(dim=0, dtype=torch.float64) for rows in chunks]).sum(dim=0)
    center = total / len(gallery)
    sides = (rows for side in (queries, gallery) for rows in torch.split(side, CHUNK))
    reach, equal = 0.0, True
    for rows in sides:
        apart = rows - center
        reach = max(reach, float(torch.linalg.vector_norm(apart, dim=1).max()))
        equal = equal and not apart.any()  # squares of what is apart may be 0 in float64
    if not equal and not 1e-100 < reach < 1e38:
        raise ValueError(
            f"vectors are up to {reach:g} from their mean, too far or too near for their distances "
            "to be held: scale them to between 1e-100 and 1e38"
        )
    return center, reach or 1.0
