"""Notes beside the scores of a user's embeddings: what may make these numbers misleading."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from bench.cli.scoring.read_embeddings import Side
from bench.datasets.look_alikes import look_alikes, may_be_missing, spelled
from bench.suggest import printable
from proxy_core.distances import directions
from proxy_core.metrics import JUNK
from proxy_core.metrics.reid import ReidRanking
from proxy_core.metrics.retrieval import Metric, Ranking

ALMOST_EQUAL = 1e-5  # of 1 - cosine; rounding to bfloat16 moves a vector by up to 8e-6
EQUAL = 1e-30  # rounding of float64
ROUNDINGS = 8  # of a number's type, by which lengths that were made equal may differ
OTHER_SCALE = 3  # factor between the lengths of two sides of one network
# Up to these, different images are almost equal by chance, so that only equal ones count.
FEW_DIMENSIONS = 3
ENOUGH = 10  # images, with fewer each may well be of its own camera
SHOWN = 3  # groups of labels that a note lists
CHUNK = 4096  # rows that are converted to float64 at a time
CAMERA_RULE = (
    "Images of a query's class by its own camera are ignored, as in re-identification; without "
    "cameras all are searched."
)


def notes(
    queries: Side,
    gallery: Side | None,
    ks: Sequence[int],
    metric: Metric,
    ranking: Ranking | ReidRanking,
) -> list[str]:
    """Notes on a ranking with at least one neighbor of each query."""
    sides = [queries, gallery] if gallery else [queries]
    counts = label_counts(sides)
    found = [
        lengths_note(queries.embeddings, metric),
        scales_note(queries, gallery, metric),
        half_note(sides),
        zeros_note(sides, metric),
        "NMI and AMI, which are of one set, are left out beside a gallery."
        if gallery and metric == "cosine"
        else "",
        left_out_note(sides),
        unused_arrays_note(sides),
        CAMERA_RULE if queries.cameras is not None else "",
        cameras_note(sides),
        junk_note(sides),
        missing_note(counts),
        look_alikes_note(counts),
        ids_note(queries, gallery),
        collapse_note(queries.embeddings, metric)
        or copies_note(queries, gallery, metric, ranking.neighbors[:, 0]),
        constant_note(queries, gallery or queries, ks, ranking.relevant.numpy()),
    ]
    return [note for note in found if note]


def unused_arrays_note(sides: Sequence[Side]) -> str:
    """A note on arrays that no score takes; empty if there are none."""
    names = dict.fromkeys(name for side in sides for name in side.unused_arrays)
    return f"Arrays that are not used: {', '.join(map(printable, names))}." if names else ""


# Vectors


def lengths_note(embeddings: np.ndarray, metric: Metric) -> str:
    """A note on embeddings of different lengths; empty if cosines and distances rank alike."""
    if metric == "euclidean":
        return "Compared by distance. NMI and AMI, which are of directions, are left out."
    lengths = lengths_of(embeddings)
    if one_length(lengths, float(np.finfo(embeddings.dtype).eps)):
        return ""
    return (
        f"Lengths go from {length_range(lengths)}: by cosine only their directions count; "
        "--metric euclidean compares distances."
    )


def one_length(lengths: np.ndarray, eps: float) -> bool:
    """Whether lengths differ by rounding alone, so that cosines and distances rank alike; eps, of
    the type of the embeddings, or of float32 if that is larger, in which they may have been made.
    """
    share = ROUNDINGS * max(eps, float(np.finfo(np.float32).eps))
    return bool(lengths.max() <= (1 + share) * lengths.min())


def length_range(lengths: np.ndarray) -> str:
    """`0.998 to 1.01`, with as many digits as tell the two apart, of lengths that differ."""
    ends = lengths.min(), lengths.max()
    digits = next(n for n in range(3, 18) if f"{ends[0]:.{n}g}" != f"{ends[1]:.{n}g}")
    return " to ".join(f"{length:.{digits}g}" for length in ends)


def lengths_of(embeddings: np.ndarray) -> np.ndarray:
    """Lengths (N,) float64 of embeddings (N, D)."""
    largest = np.abs(embeddings).max(axis=1).astype(np.float64)
    scale = np.where(largest > 0, largest, 1.0)  # squares of the numbers may be beyond float64
    lengths: np.ndarray = largest * np.linalg.norm(embeddings / scale[:, None], axis=1)
    return lengths


def scales_note(queries: Side, gallery: Side | None, metric: Metric) -> str:
    """A note on queries and a gallery whose lengths are of two scales, which spoils distances."""
    if gallery is None or metric != "euclidean":
        return ""
    left, right = (np.median(lengths_of(side.embeddings)) for side in (queries, gallery))
    if max(left, right) <= OTHER_SCALE * min(left, right):
        return ""
    return (
        f"The queries have a length of {left:.3g}, the gallery of {right:.3g} (medians): distances "
        "compare them only if both are scaled alike."
    )


def half_note(sides: Sequence[Side]) -> str:
    """A note on float16 numbers that are too small to keep their digits."""
    for side in sides:
        numbers = np.abs(side.embeddings)
        if numbers.dtype.itemsize == 2 and 0 < np.median(numbers) < np.finfo(np.float16).tiny:
            return (
                "Most numbers are below 6e-5, where float16 loses digits, so that the embeddings "
                "are rounded: save them as float32."
            )
    return ""


def zeros_note(sides: Sequence[Side], metric: Metric) -> str:
    """A note on embeddings without direction."""
    zeros = sum(int((~side.embeddings.any(axis=1)).sum()) for side in sides)
    if not zeros or metric == "euclidean":
        return ""
    images = sum(len(side.embeddings) for side in sides)
    return f"{zeros:,} of {images:,} embeddings are zero, without direction."


def collapse_note(embeddings: np.ndarray, metric: Metric) -> str:
    """A note on embeddings that are all equal, or almost."""
    if (embeddings == embeddings[0]).all():
        return "All embeddings are equal. Ties count against a query, so nothing is found."
    spread = mean_gap(embeddings, metric)
    if spread >= ALMOST_EQUAL:
        return ""
    return (
        f"All embeddings are almost equal ({gap_name(metric)} is {spread:.1g} on average): the "
        "training may have collapsed, or a common offset hides what differs."
    )


def mean_gap(embeddings: np.ndarray, metric: Metric) -> float:
    """The gap of two embeddings (N, D), as in `gaps`, on average."""
    parts = [total(rows) for rows in in_float64(embeddings, metric)]
    center = torch.stack([part for part, _ in parts]).sum(dim=0) / len(embeddings)
    squares = sum(square for _, square in parts)
    around = sum(float((rows - center).square().sum()) for rows in in_float64(embeddings, metric))
    return around / squares if squares > 0 else 0.0


def total(rows: Tensor) -> tuple[Tensor, float]:
    """The sum (D,) of rows (N, D), and of the squares of their lengths."""
    return rows.sum(dim=0), float(rows.square().sum())


def in_float64(embeddings: np.ndarray, metric: Metric) -> Iterator[Tensor]:
    """Embeddings in float64, some rows at a time, of unit length where cosines are compared."""
    for first in range(0, len(embeddings), CHUNK):
        rows = torch.from_numpy(embeddings[first : first + CHUNK].astype(np.float64))
        yield directions(rows) if metric == "cosine" else rows


def copies_note(queries: Side, gallery: Side | None, metric: Metric, nearest: Tensor) -> str:
    """A note on queries whose nearest image (Q,) has almost the same embedding."""
    found = nearest.numpy()
    others = (gallery or queries).embeddings[np.maximum(found, 0)]
    limit = ALMOST_EQUAL if others.shape[1] > FEW_DIMENSIONS else EQUAL
    copies = int((gaps(queries.embeddings, others, metric)[found >= 0] < limit).sum())
    if not copies:
        return ""
    of = f"{copies:,} of {len(found):,}"
    bound = f"({gap_name(metric)} is below {limit:g})"
    if others.shape[1] == 1 and metric == "cosine":
        return "One dimension has two directions only; --metric euclidean compares distances."
    if gallery is None:
        return (
            f"{of} embeddings have another one that is almost equal {bound}: images given twice, "
            "or classes that have collapsed?"
        )
    if queries.cameras is not None:
        return (
            f"{of} queries have a gallery image of another camera or class and almost the same "
            f"embedding {bound}: images given twice?"
        )
    if queries.ids is None or gallery.ids is None:
        return (
            f"{of} queries have a gallery image of almost the same embedding {bound}. If they find "
            "themselves, give both sides an array 'ids' or a column 'id', or leave --gallery out: "
            "then each is searched among the others."
        )
    return f"{of} queries have a gallery image of another id and almost the same embedding {bound}."


def gaps(left: np.ndarray, right: np.ndarray, metric: Metric) -> np.ndarray:
    """Squared distances (N,) of rows by the sum of their squared lengths: 1 - cosine, without
    its rounding, for vectors of one length. Infinite for two zeros.
    """
    parts = []
    for some, others in zip(in_float64(left, metric), in_float64(right, metric), strict=True):
        lengths = some.square().sum(dim=1) + others.square().sum(dim=1)
        gap = (some - others).square().sum(dim=1) / lengths
        parts.append(torch.where(lengths > 0, gap, torch.inf))
    found: np.ndarray = torch.cat(parts).numpy()
    return found


def gap_name(metric: Metric) -> str:
    squares = "the squared distance by the sum of the squared lengths"
    return "1 - cosine" if metric == "cosine" else squares


# Labels and ids


def left_out_note(sides: Sequence[Side]) -> str:
    """A note on images that are left out, and on labels that ids could match."""
    junk, unused = (sum(getattr(side, name) for side in sides) for name in ("junk", "unused"))
    found = [
        f"{junk:,} images of label {JUNK} (junk) are left out." if junk else "",
        f"{unused:,} labels are left out: no embedding has their id." if unused else "",
        "The embeddings have no ids, so labels are taken in the order of their lines, whose ids or "
        "names do not ascend. Save ids beside the embeddings to match them."
        if any(side.in_lines for side in sides)
        else "",
    ]
    return " ".join(note for note in found if note)


def junk_note(sides: Sequence[Side]) -> str:
    """A note on labels -1 that count as a class, since there are no cameras."""
    count = sum(int((side.classes == JUNK).sum()) for side in sides)
    if not count:
        return ""
    return (
        f"{count:,} labels are {JUNK}, which counts as a class. In re-identification it is junk: "
        "arrays 'cameras' or columns 'camera' on all sides apply that rule."
    )


def label_counts(sides: Sequence[Side]) -> Counter[str]:
    """How many images have each label."""
    counts: Counter[str] = Counter()
    for side in sides:
        labels, images = np.unique_counts(side.labels)
        counts.update(dict(zip(labels.astype(str).tolist(), images.tolist(), strict=True)))
    return counts


def cameras_note(sides: Sequence[Side]) -> str:
    """A note on cameras that seem to number the images, or that the sides do not share."""
    for side in sides:
        if side.cameras is None:
            continue
        images, cameras = len(side.cameras), len(np.unique(side.cameras))
        if images >= ENOUGH and 2 * cameras > images:
            own = "every image has its own camera" if cameras == images else "almost none repeats"
            return (
                f"{cameras:,} cameras for {images:,} images ({own}), so that the rule ignores "
                "hardly any: do they number the images or their times? Give the camera of each."
            )
    both = [set(side.cameras.tolist()) for side in sides if side.cameras is not None]
    if len(both) == 2 and not both[0] & both[1]:
        return "No camera is on both sides, so that the rule ignores nothing: are they named alike?"
    return ""


def missing_note(counts: Counter[str]) -> str:
    """A note on labels that are words for a missing one."""
    words = [word for word in counts if may_be_missing(word)]
    found = [f"{word!r} ({counts[word]:,} images)" for word in words]
    if not found:
        return ""
    return (
        f"Labels that may be missing ones count as classes: {', '.join(found)}. If so, remove "
        "these images before the labels become words."
    )


def look_alikes_note(counts: Counter[str]) -> str:
    """A note on labels that a person would take for one."""
    groups = look_alikes(counts)
    if not groups:
        return ""
    shown = "; ".join(" and ".join(in_words(group, counts)) for group in groups[:SHOWN])
    more = f"; and {len(groups) - SHOWN:,} more" if len(groups) > SHOWN else ""
    return f"Labels that look alike count as different classes: {shown}{more}. Write each one way."


def no_positive(queries: Side, gallery: Side) -> str:
    """The message if no query has a positive."""
    if queries.cameras is not None:
        return (
            "no query has a gallery image of its class by another camera, and those by its own "
            "camera are ignored: are the cameras right?"
        )
    alike = look_alikes_note(label_counts([queries, gallery]))
    return (
        f"no query has another image of its class: the first label of the queries is "
        f"{str(queries.labels[0])!r}, of the gallery {str(gallery.labels[0])!r}. {alike}".strip()
    )


def in_words(group: Sequence[str], counts: Counter[str]) -> list[str]:
    """Labels with their numbers of images."""
    words = zip(group, spelled(group), strict=True)
    return [f"{shown} ({counts[word]:,} images)" for word, shown in words]


def ids_note(queries: Side, gallery: Side | None) -> str:
    """A note on how many queries ids leave out of their own search."""
    if gallery is None or (queries.ids is None and gallery.ids is None):
        return ""
    if queries.ids is None or gallery.ids is None:
        one, other = ("queries", "gallery") if gallery.ids is None else ("gallery", "queries")
        return f"Ids of the {one} leave nothing out, without ids of the {other}."
    common = int(np.isin(queries.ids, gallery.ids).sum())
    if not common:
        return ""
    return (
        f"{common:,} of {len(queries.ids):,} queries are in the gallery and do not find themselves."
    )


def constant_note(queries: Side, gallery: Side, ks: Sequence[int], relevant: np.ndarray) -> str:
    """A note on the K for which Recall@K is 1 whatever the embeddings, as a query has fewer than K
    negatives. relevant (Q,): numbers of positives.
    """
    classes, counts = np.unique_counts(gallery.classes)
    sizes = dict(zip(classes.tolist(), counts.tolist(), strict=True))
    own = {sizes.get(label, 0) for label in np.unique(queries.classes[relevant > 0]).tolist()}
    negatives = len(gallery.classes) - min(own, default=0)
    constant = [f"R@{k}" for k in ks if k > negatives]
    if not constant:
        return ""
    return (
        f"{', '.join(constant)}: 1 for any embeddings, since no query has more than "
        f"{negatives:,} images of other classes to be searched."
    )
