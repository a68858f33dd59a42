"""Similarities of all pairs of images, a block of them at a time."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor


def blocks(size: int, tile: int) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of the blocks that hold all pairs i < j of 0..N-1, and some of i >= j."""
    for row in range(0, size, tile):
        for column in range(row, size, tile):
            yield slice(row, row + tile), slice(column, column + tile)


def genuine_similarities(directions: Tensor, labels: Tensor, tile: int) -> Tensor:
    """Cosines (M,) of all pairs with equal labels, ascending, on the CPU.

    directions (N, D) unit vectors in float64, labels (N,) ascending, so few blocks hold any.
    """
    found = []
    for rows, columns in blocks(len(labels), tile):
        if labels[columns][0] <= labels[rows][-1]:
            same = labels[rows][:, None] == labels[columns]
            same = same.triu(diagonal=1) if rows == columns else same
            found.append((directions[rows] @ directions[columns].T)[same].cpu())
    return torch.cat(found).sort().values


def impostor_counts(directions: Tensor, labels: Tensor, edges: Tensor, tile: int) -> Tensor:
    """How many cosines of pairs with different labels lie between the edges: (E + 1,) int64.

    Number e counts edges[e - 1] <= cosine < edges[e]; edges (E,) ascend. Others as above.
    """
    counts = torch.zeros(len(edges) + 1, dtype=torch.int64)
    for rows, columns in blocks(len(labels), tile):
        other = labels[rows][:, None] < labels[columns]  # ascending labels: implies i < j
        cosines = (directions[rows] @ directions[columns].T)[other].cpu().numpy()
        # Sorted values find their places several times faster, and numpy's sort is the fast one.
        ordered = torch.from_numpy(np.sort(cosines))
        places = torch.bucketize(ordered, edges, right=True)
        counts += torch.bincount(places, minlength=len(counts))
    return counts
