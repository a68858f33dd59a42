"""Checks of embeddings and labels that somebody brings: each is passed or names what it found."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from bench.cli.scoring.audit.counts import known_counts
from bench.cli.scoring.audit.ties import tied_hits
from bench.cli.scoring.notes import (
    ALMOST_EQUAL,
    EQUAL,
    FEW_DIMENSIONS,
    cameras_note,
    collapse_note,
    constant_note,
    copies_note,
    gaps,
    half_note,
    junk_note,
    label_counts,
    length_range,
    lengths_of,
    look_alikes_note,
    missing_note,
    one_length,
    scales_note,
    zeros_note,
)
from bench.cli.scoring.read_embeddings import Side
from bench.cli.scoring.score import search, tensors
from proxy_core.metrics.ranking import Progress
from proxy_core.metrics.reid import ReidRanking
from proxy_core.metrics.retrieval import Metric, Ranking, rank, recall_at_k

LISTED = 10  # neighbors among which copies are looked for
NEAR_COPY = 0.01  # of the median gap to the nearest neighbor: below, two pictures are hardly two
SPREAD = 8  # effective rank from which chance puts none of 100,000 images so near
MOVED = 0.001  # share of queries whose first neighbor may hang on ties
OTHER_METRIC = 0.02  # by which R@1 may differ between cosine and distance, beyond 3 sigma
NARROW = 0.1  # share of the dimensions that can be used, below which an embedding has collapsed
STANDS_OUT, LARGE = 5, 0.2  # times the second largest class, and share of all images
ONE_SIZE, FEW = 0.9, 10  # share of classes of one size from which the others count as cut
SEED_SPREAD = 0.1  # of NMI over seeds of k-means; up to 0.06 is usual with few classes
ENOUGH_TO_SAY = 100  # images; of fewer, neighbors may agree as by chance
SHIFTS = (-3, -2, -1, 1, 2, 3)  # rows by which labels may have slipped


@dataclass(frozen=True)
class Check:
    """The name of a check, whether it found something that may be wrong, and a sentence."""

    name: str
    alarm: bool
    says: str


@dataclass(frozen=True, eq=False)
class Searched:
    """Queries, the gallery if there is one, and the ranking with LISTED neighbors of each query."""

    queries: Side
    gallery: Side | None
    metric: Metric
    ranking: Ranking | ReidRanking

    @property
    def searched(self) -> Side:
        return self.gallery or self.queries

    @property
    def nearest(self) -> np.ndarray:
        """Positions (Q,) of the nearest images, -1 for none."""
        found: np.ndarray = self.ranking.neighbors[:, 0].numpy()
        return found

    @cached_property
    def used(self) -> float:
        """How many dimensions the queries spread over."""
        return effective_rank(self.queries.embeddings)

    @property
    def recall(self) -> float:
        """R@1 of queries with a positive."""
        return recall_at_k(self.ranking.first_hit, 1)


def search_for_audit(
    queries: Side, gallery: Side | None, metric: Metric, progress: Progress
) -> Searched:
    ranking = search(queries, gallery, metric, progress, neighbors=LISTED)
    return Searched(queries, gallery, metric, ranking)


def checks_of(
    found: Searched, ks: Sequence[int], scores: Mapping[str, float], dataset: str | None
) -> list[Check]:
    """All checks of an evaluation that has these scores.

    dataset: the name of a known data set whose test part the queries should be, or None.

    Raises: ValueError for a data set whose numbers of images and classes are not known.
    """
    queries, gallery = found.queries, found.gallery
    sides = [queries, gallery] if gallery else [queries]
    counted = known_counts(len(queries.classes), len(np.unique(queries.classes)), dataset)
    return [
        Check("counts", *counted),
        self_matches(found),
        duplicates(found),
        other_labels(found),
        ties(found),
        collapse(found),
        lengths(found),
        noted("precision", half_note(sides), "No numbers are too small for their type."),
        lone_queries(found),
        balance(queries),
        order(found),
        noted("labels", *label_notes(sides)),
        noted("cameras", cameras_note(sides), camera_words(queries)),
        noted(
            "constant scores",
            constant_note(queries, found.searched, ks, found.ranking.relevant.numpy()),
            "No Recall@K is 1 whatever the embeddings.",
        ),
        clustering(scores),
    ]


def noted(name: str, note: str, otherwise: str) -> Check:
    """A check whose note is empty if all is well."""
    return Check(name, bool(note), note or otherwise)


def copy_limit(side: Side) -> float:
    """The gap below which two embeddings of a side count as almost equal."""
    return ALMOST_EQUAL if side.embeddings.shape[1] > FEW_DIMENSIONS else EQUAL


def neighbor_gaps(found: Searched, column: int) -> np.ndarray:
    """Gaps (Q,) of queries to a listed neighbor, infinite where there is none."""
    others = found.ranking.neighbors[:, column].numpy()
    embeddings = found.searched.embeddings[np.maximum(others, 0)]
    return np.where(others >= 0, gaps(found.queries.embeddings, embeddings, found.metric), np.inf)


# Images that are there twice


def self_matches(found: Searched) -> Check:
    """Queries that find themselves in a gallery, by the rank at which they do."""
    name, queries, gallery = "self-matches", found.queries, found.gallery
    if gallery is None or queries.cameras is not None:
        return Check(name, False, "None: a query is never part of its own search.")
    if queries.ids is not None and gallery.ids is not None:
        return Check(name, False, "None: ids leave a query out of its own search.")
    ranks, pairs = own_ranks(found)
    if not ranks.any():
        return Check(name, False, f"No query has a copy among its first {LISTED} neighbors.")
    counts = np.bincount(ranks)
    by_rank = ", ".join(f"{n:,} at rank {k}" for k, n in enumerate(counts) if k and n)
    return Check(
        name,
        True,
        f"{int((ranks > 0).sum()):,} of {len(ranks):,} queries find an image of their class with "
        f"almost their embedding, which may be themselves: {by_rank}. R@1 is "
        f"{found.recall:.4f} with them and "
        f"{recall_without(found, pairs)} without. Give both sides ids, or leave the gallery out.",
    )


def own_ranks(found: Searched) -> tuple[np.ndarray, np.ndarray]:
    """Ranks (Q,) from 1 of the first neighbor that is a copy of a query, 0 for none; and all pairs
    (2, M) of a query and a gallery image that is a copy of it."""
    ranks = np.zeros(len(found.queries.classes), np.int64)
    pairs = [np.empty((2, 0), np.int64)]
    for column in reversed(range(LISTED)):
        others = found.ranking.neighbors[:, column].numpy()
        own = neighbor_gaps(found, column) < copy_limit(found.queries)
        own &= found.searched.classes[others] == found.queries.classes
        ranks[own] = column + 1
        pairs.append(np.stack([np.flatnonzero(own), others[own]]))
    return ranks, np.concatenate(pairs, axis=1)


def recall_without(found: Searched, pairs: np.ndarray) -> str:
    """R@1 if no query finds its own copies; pairs (2, M) of a query and a copy of it.

    A copy may be that of several queries, which are one image then: all of them have one id.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    queries, gallery = found.queries, found.searched
    first, count = len(queries.classes), len(queries.classes) + len(gallery.classes)
    places = pairs[0], first + pairs[1]
    linked = coo_array((np.ones(len(pairs[0])), places), shape=(count, count))
    ids = torch.from_numpy(connected_components(linked, directed=False)[1])
    ranking = rank(
        *tensors(queries),
        *tensors(gallery),
        query_ids=ids[:first],
        gallery_ids=ids[first:],
        metric=found.metric,
    )
    if not ranking.first_hit.any():
        return "unknown (no query has a positive)"
    return f"{recall_at_k(ranking.first_hit, 1):.4f}"


def duplicates(found: Searched) -> Check:
    """Embeddings of which another image has almost the same."""
    name, gallery = "duplicates", found.gallery
    if gallery is not None:
        _, counts = np.unique(gallery.embeddings, axis=0, return_counts=True)
        extra = int((counts - 1).sum())
        says = f"{extra:,} images of the gallery repeat the embedding of another one."
        return Check(name, extra > 0, says if extra else "No two gallery images are equal.")
    note = copies_note(found.queries, None, found.metric, found.ranking.neighbors[:, 0])
    return noted(name, note, "No two embeddings are almost equal.")


def other_labels(found: Searched) -> Check:
    """Images that are much nearer to one of another class than neighbors usually are."""
    name = "near duplicates"
    if found.used < SPREAD:
        return Check(name, False, f"Not looked for below an effective rank of {SPREAD}.")
    usual = float(np.median(neighbor_gaps(found, 0)))
    limit = max(ALMOST_EQUAL, NEAR_COPY * usual)
    pairs = []
    for column in range(LISTED):
        others = found.ranking.neighbors[:, column].numpy()
        differ = found.searched.classes[others] != found.queries.classes
        close = np.flatnonzero((neighbor_gaps(found, column) < limit) & differ)
        pairs += [(int(row), int(others[row])) for row in close]
    if not pairs:
        return Check(name, False, "None of two labels.")
    first, second = min(pairs)
    rows = {row for row, _ in pairs}
    where = "gallery row" if found.gallery else "row"
    return Check(
        name,
        True,
        f"{len(rows):,} images are almost the same as one of another label (less than "
        f"{NEAR_COPY:.0%} of the usual gap to a neighbor): row {first} "
        f"({str(found.queries.labels[first])!r}) and {where} {second} "
        f"({str(found.searched.labels[second])!r})"
        f"{' among them' if len(rows) > 2 else ''}. Is one label wrong?",
    )


# The search


def ties(found: Searched) -> Check:
    """Queries whose first neighbor hangs on how ties are broken."""
    name = "ties"
    if isinstance(found.ranking, ReidRanking):
        return Check(name, False, "Not looked for beside cameras.")
    tied = int(tied_hits(found.queries, found.gallery, found.metric, found.ranking).sum())
    known = int((found.ranking.relevant > 0).sum())
    best = found.recall + tied / known
    if not tied:
        return Check(name, False, "No query has a negative exactly as near as its first positive.")
    return Check(
        name,
        tied >= MOVED * known,
        f"{tied:,} of {known:,} queries have a negative exactly as near as their first positive: "
        f"R@1 is {found.recall:.4f} here, where the negative counts, and {best:.4f} in code that "
        "happens to list the positive first.",
    )


def lone_queries(found: Searched) -> Check:
    """Queries without a positive, which are not part of a mean here."""
    relevant = found.ranking.relevant
    lone = int((relevant == 0).sum())
    if not lone:
        return Check("lone queries", False, "Every query has a positive.")
    missed = found.recall * (1 - lone / len(relevant))
    return Check(
        "lone queries",
        True,
        f"{lone:,} of {len(relevant):,} queries have no positive and are left out: counted as "
        f"misses, R@1 would be {missed:.4f}, not {found.recall:.4f}.",
    )


# Vectors


def collapse(found: Searched) -> Check:
    """How many dimensions the embeddings spread over."""
    queries = found.queries
    note = collapse_note(queries.embeddings, found.metric)
    if note:
        return Check("collapse", True, note)
    dimensions = queries.embeddings.shape[1]
    usable = min(dimensions, len(np.unique(queries.classes)) - 1, len(queries.classes) - 1)
    says = f"The effective rank is {found.used:.1f} of {dimensions:,} dimensions"
    if usable > FEW_DIMENSIONS and found.used < max(2.0, NARROW * usable):
        return Check(
            "collapse", True, f"{says}: nearly all dimensions repeat a few, which is a collapse."
        )
    return Check("collapse", False, f"{says}.")


def effective_rank(embeddings: np.ndarray) -> float:
    """exp of the entropy of the singular values, as shares, of centered embeddings (N, D).

    Roy and Vetterli, The effective rank, EUSIPCO 2007. Of embeddings that are all equal it is 0.
    """
    rows = torch.from_numpy(embeddings.astype(np.float64))
    rows = rows / rows.abs().max().clamp(min=torch.finfo(torch.float64).tiny)
    rows = rows - rows.mean(dim=0)
    squares = torch.linalg.eigvalsh(rows.T @ rows).clamp(min=0)
    values = squares.sqrt()[squares > squares[-1] * 1e-14]  # below, rounding
    shares = values / values.sum()
    return float(torch.exp(-(shares * shares.log()).sum())) if len(values) else 0.0


def lengths(found: Searched) -> Check:
    """Zeros, lengths, and whether they decide between cosine and distance."""
    name, metric = "normalization", found.metric
    sides = [found.queries, found.gallery] if found.gallery else [found.queries]
    for note in (zeros_note(sides, metric), scales_note(found.queries, found.gallery, metric)):
        if note:
            return Check(name, True, note)
    both = np.concatenate([lengths_of(side.embeddings) for side in sides])
    if one_length(both, max(float(np.finfo(side.embeddings.dtype).eps) for side in sides)):
        return Check(name, False, f"All embeddings have the length {np.median(both):.3g}.")
    says = f"Lengths go from {length_range(both)}"
    if found.queries.cameras is not None:
        return Check(name, False, f"{says}; by cosine they do not count.")
    other: Metric = "euclidean" if metric == "cosine" else "cosine"
    ranking = search(found.queries, found.gallery, other, lambda *_: None)
    others = recall_at_k(ranking.first_hit, 1)
    changed = int(((ranking.first_hit == 1) != (found.ranking.first_hit == 1)).sum())
    moved = abs(others - found.recall)
    return Check(
        name,
        moved > OTHER_METRIC and moved * len(ranking.first_hit) > 3 * changed**0.5,
        f"{says}: R@1 is {found.recall:.4f} by {metric} and {others:.4f} by {other}.",
    )


# Labels


def balance(queries: Side) -> Check:
    """Classes whose number of images does not fit the others."""
    labels, counts = np.unique(queries.labels, return_counts=True)
    second, largest = np.sort(counts)[-2:].tolist() if len(counts) > 1 else (0, int(counts[0]))
    says = f"Classes have {counts.min():,} to {counts.max():,} images"
    if len(counts) > 3 and largest >= STANDS_OUT * second and largest >= LARGE * counts.sum():
        return Check(
            "class balance",
            True,
            f"The class {str(labels[counts.argmax()])!r} has {largest:,} of {counts.sum():,} "
            f"images, the next one {second:,}: is it one of what is left over?",
        )
    usual = int(np.bincount(counts).argmax())
    fewer = np.flatnonzero(counts < usual)
    if len(counts) >= FEW and len(fewer) and (counts == usual).mean() >= ONE_SIZE:
        return Check(
            "class balance",
            True,
            f"{len(fewer):,} of {len(counts):,} classes have fewer than the {usual:,} images of "
            f"the others, {str(labels[fewer[0]])!r} {counts[fewer[0]]:,}: are images missing?",
        )
    return Check("class balance", False, f"{says}.")


def order(found: Searched) -> Check:
    """Labels that do not belong to the embeddings, or have slipped by some rows."""
    name, nearest = "order of labels", found.nearest
    if found.gallery is not None or found.queries.cameras is not None:
        return Check(name, False, "Looked at only where one set is searched in itself.")
    classes = found.queries.classes
    agree = share_alike(classes, nearest)
    _, counts = np.unique(classes, return_counts=True)
    images = len(classes)
    chance = float((counts * (counts - 1)).sum() / (images * (images - 1)))
    noise = float(np.sqrt(chance * (1 - chance) / images))
    shifted = {shift: share_alike(np.roll(classes, shift), nearest) for shift in SHIFTS}
    shift = max(shifted, key=lambda one: shifted[one])
    if shifted[shift] - agree > 3 * noise + 2 / images:
        return Check(
            name,
            True,
            f"Nearest neighbors agree in {agree:.1%} of the labels, and in {shifted[shift]:.1%} if "
            f"the labels move by {shift:+d} rows: have they slipped?",
        )
    if images >= ENOUGH_TO_SAY and agree < chance + 3 * noise:
        return Check(
            name,
            True,
            f"Nearest neighbors agree in {agree:.1%} of the labels, as shuffled labels would "
            f"({chance:.1%}): are labels and embeddings in one order?",
        )
    return Check(
        name, False, f"Nearest neighbors agree in {agree:.1%}; shuffled labels in {chance:.1%}."
    )


def share_alike(classes: np.ndarray, nearest: np.ndarray) -> float:
    """Share of images (N,) with the class of their nearest one (N,)."""
    return float((classes == classes[nearest]).mean())


def label_notes(sides: Sequence[Side]) -> tuple[str, str]:
    """What is doubtful about the words or numbers of labels; the sentence if nothing is."""
    counts = label_counts(sides)
    notes = [missing_note(counts), look_alikes_note(counts), junk_note(sides)]
    return joined(notes), "No label is missing, or looks like another one."


def joined(notes: Iterable[str]) -> str:
    return " ".join(note for note in notes if note)


def camera_words(queries: Side) -> str:
    return "There are none." if queries.cameras is None else "They repeat, and both sides share."


def clustering(scores: Mapping[str, float]) -> Check:
    """How far NMI depends on the seed of k-means."""
    name = "NMI"
    if "nmi" not in scores:
        return Check(name, False, "Not computed: it is of one set, by cosine.")
    low, high = scores["nmi_min"], scores["nmi_max"]
    return Check(
        name,
        high - low > SEED_SPREAD,
        f"{low:.4f} to {high:.4f} by the seed of k-means; a difference below {high - low:.4f} "
        "shows nothing.",
    )


def alarms(checks: Iterable[Check]) -> list[str]:
    """The names of checks that found something."""
    return [check.name for check in checks if check.alarm]
