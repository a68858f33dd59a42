"""Verification: are two images of one class? ROC, TAR at given FARs and EER over all pairs.

A pair is genuine if its two images have the same label, otherwise it is an impostor. It is accepted
at threshold t if its cosine, in float64, is at least t. FAR(t) is the share of accepted impostors,
TAR(t) the share of accepted genuine pairs, FRR(t) = 1 - TAR(t). Ties are pessimistic: impostors
count as accepted down to 1e-12 below the threshold, so a collapsed embedding has TAR 0 at every
FAR < 1. 1e-12 is far above float64's rounding, so no number depends on tile, order, threads or
device.

TAR changes at genuine similarities only. So it is enough to keep these, which are few, and to count
the impostors in each gap between them in one pass over all pairs; 60,502 images have 1.8e9 pairs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from proxy_core.metrics.ranking import TIE
from proxy_core.metrics.retrieval import checked

ROC_POINTS, LEAST_FAR = 200, 1e-6
TILE = 1024  # images on each side of the pairs that are compared at a time


@dataclass(frozen=True)
class Verification:
    """Error rates over all pairs of the images; shares in [0, 1], thresholds in [-1, 1]."""

    genuine: int  # number of pairs of one class
    impostors: int  # number of pairs of two classes
    fars: tuple[float, ...]  # the given FARs
    tars: tuple[float, ...]  # TAR at each of them
    thresholds: tuple[float, ...]  # lowest accepted genuine cosine; inf where TAR is 0
    eer: float
    roc_far: Tensor  # (200,) float64: FARs with equal steps of their logarithm, up to 1
    roc_tar: Tensor  # (200,) float64: TAR at each of them


@dataclass(frozen=True)
class Steps:
    """The S distinct genuine similarities, ascending, and the rates with each as threshold.

    Consecutive genuine similarities that differ by at most 2e-12 are one step, so an impostor ties
    with at most one step.
    """

    thresholds: Tensor  # (S,) float64: lowest similarity of the step
    tar: Tensor  # (S,) float64
    far: Tensor  # (S,) float64, impostors that tie with the step included
    far_above: Tensor  # (S,) float64, these excluded


def verification(
    embeddings: Tensor,
    labels: Tensor,
    *,
    fars: Sequence[float] = (1e-2, 1e-3, 1e-4),
) -> Verification:
    """TAR at each FAR, EER and ROC over all pairs of N images.

    embeddings (N, D): of any length and floating type, computed on their device. labels (N,):
    integers. fars: in [0, 1]. Memory is a few float64 matrices (1024, 1024) and a few arrays as
    long as the number of genuine pairs.

    Returns the rates. TAR at FAR f is that of the lowest threshold whose FAR is <= f, without
    interpolation. If f * impostors < 1, no impostor is accepted. The ROC's FARs start at the larger
    of 1e-6 and 1 / impostors. A collapsed embedding has an EER of 0.5.

    Raises ValueError for shapes that do not fit, empty or non-finite input, a FAR outside [0, 1], a
    single class, and no class with two images.

    EER is FAR where FAR = FRR on the ROC, with straight lines between the points of consecutive
    thresholds, as is usual with scikit-learn's roc_curve. The other usual value, the mean of FAR
    and FRR at the threshold where they are closest, differs by at most a quarter of one pair's
    share, unless pairs tie.
    """
    if not all(0 <= far <= 1 for far in fars):
        raise ValueError(f"fars are {list(fars)}: expected in [0, 1]")
    directions, labels, _ = checked("embeddings", embeddings, labels, labels, embeddings)
    genuine, impostors = count_pairs(labels)
    labels, order = labels.sort(stable=True)
    steps = count_steps(directions[order], labels)
    lowest = max(LEAST_FAR, 1 / impostors)
    roc_far = [lowest ** (1 - i / (ROC_POINTS - 1)) for i in range(ROC_POINTS)]
    tars, thresholds = tar_at(steps, fars)
    roc = torch.tensor([roc_far, tar_at(steps, roc_far)[0]], dtype=torch.float64)
    eer = equal_error_rate(steps)
    return Verification(genuine, impostors, tuple(fars), tars, thresholds, eer, roc[0], roc[1])


def count_pairs(labels: Tensor) -> tuple[int, int]:
    """Numbers of genuine and of impostor pairs of labels (N,); ValueError if one is 0."""
    sizes = torch.unique(labels, return_counts=True)[1]
    genuine = int((sizes * (sizes - 1)).sum()) // 2
    impostors = len(labels) * (len(labels) - 1) // 2 - genuine
    if genuine == 0 or impostors == 0:
        raise ValueError(
            f"{len(labels)} images of {len(sizes)} classes make {genuine} genuine and {impostors} "
            "impostor pairs: expected two classes or more, and one of them with two images or more"
        )
    return genuine, impostors


def count_steps(directions: Tensor, labels: Tensor) -> Steps:
    """Steps of unit vectors (N, D) with ascending labels (N,)."""
    genuine = genuine_similarities(directions, labels)
    starts = torch.ones_like(genuine, dtype=torch.bool)
    starts[1:] = genuine.diff() > 2 * TIE
    first = starts.nonzero().squeeze(1)
    thresholds = genuine[first]
    edges = torch.stack([thresholds - TIE, thresholds + TIE], dim=1).flatten()
    counts = impostor_counts(directions, labels, edges)
    upwards = counts.flip(0).cumsum(dim=0).flip(0)[1:].double()  # impostors from each edge up
    far, far_above = (upwards / int(counts.sum())).view(-1, 2).T
    tar = (len(genuine) - first).double() / len(genuine)
    return Steps(thresholds, tar, far, far_above)


def tiles(size: int) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of tiles that cover all pairs i < j of 0..N-1, and some pairs i >= j."""
    for row in range(0, size, TILE):
        for column in range(row, size, TILE):
            yield slice(row, row + TILE), slice(column, column + TILE)


def genuine_similarities(directions: Tensor, labels: Tensor) -> Tensor:
    """Cosines (M,) of all pairs with equal labels, ascending, on the CPU.

    directions (N, D) unit vectors in float64; labels (N,) ascending, so few tiles have such pairs.
    """
    found = []
    for rows, columns in tiles(len(labels)):
        if labels[columns][0] <= labels[rows][-1]:
            same = labels[rows][:, None] == labels[columns]
            same = same.triu(diagonal=1) if rows == columns else same
            found.append((directions[rows] @ directions[columns].T)[same].cpu())
    return torch.cat(found).sort().values


def impostor_counts(directions: Tensor, labels: Tensor, edges: Tensor) -> Tensor:
    """Numbers (E + 1,) int64 of cosines of pairs with different labels between edges (E,).

    Number e counts edges[e - 1] <= cosine < edges[e]. edges and labels (N,) ascend.
    """
    counts = torch.zeros(len(edges) + 1, dtype=torch.int64)
    for rows, columns in tiles(len(labels)):
        other = labels[rows][:, None] < labels[columns]  # ascending labels: implies i < j
        cosines = (directions[rows] @ directions[columns].T)[other].cpu().numpy()
        # Bucketizing sorted values is several times faster; numpy sorts faster than torch.
        ordered = torch.from_numpy(np.sort(cosines))
        bins = torch.bucketize(ordered, edges, right=True)
        counts += torch.bincount(bins, minlength=len(counts))
    return counts


def tar_at(steps: Steps, fars: Sequence[float]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """TAR of the lowest threshold with a FAR <= f, and that threshold, for each f."""
    limits = torch.tensor(fars, dtype=torch.float64)
    step = torch.searchsorted(-steps.far, -limits)  # the first with FAR <= f
    tar = torch.cat([steps.tar, steps.tar.new_zeros(1)])
    thresholds = torch.cat([steps.thresholds, steps.thresholds.new_full((1,), torch.inf)])
    return tuple(tar[step].tolist()), tuple(thresholds[step].tolist())


def equal_error_rate(steps: Steps) -> float:
    """FAR in [0, 1] where the ROC meets the line FAR = 1 - TAR.

    The ROC goes right, past the impostors of a gap, and then up by a step: vertically if no
    impostor ties with the step, otherwise diagonally.
    """
    zero, one = steps.tar.new_zeros(1), steps.tar.new_ones(1)
    tar = torch.cat([zero, steps.tar.flip(0)])
    corners = torch.stack([steps.far_above, steps.far], dim=1).flip(0).flatten()
    far = torch.cat([zero, corners, one])
    excess = far + tar.repeat_interleave(2) - 1  # FAR - FRR: ascends from -1 to 1
    after = int(torch.searchsorted(excess, 0.0))
    below, above = float(excess[after - 1]), float(excess[after])
    share = below / (below - above)
    return float(far[after - 1] + share * (far[after] - far[after - 1]))
