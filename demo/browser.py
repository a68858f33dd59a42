"""What is shown of one run: a query's neighbours, its outcome, and which query comes next.

Plain functions over stored arrays: no Gradio, no HTML, no torch.
"""

from dataclasses import dataclass

import numpy as np

from demo.retrieved import Retrieved

STEPS = ("previous", "next", "random", "failure")


@dataclass(frozen=True)
class Neighbor:
    """One retrieved image.

    rank counts from 1; similarity is a cosine; hit: it has the query's label; is_query: it can be
    made the query, which an image of a separate gallery cannot.
    """

    rank: int
    position: int
    label: int
    class_name: str
    item: str
    similarity: float
    hit: bool
    is_query: bool


@dataclass(frozen=True)
class Outcome:
    """Scores of one query against the whole gallery, not only against the stored neighbours.

    first_hit: rank from 1, 0 for none; right_at_1: R@1 counts it; average_precision: AP@R;
    searched: what the gallery holds, such as "other test image".
    """

    query: int
    class_name: str
    item: str
    relevant: int
    first_hit: int
    right_at_1: bool
    average_precision: float
    searched: str


def neighbors_of(retrieved: Retrieved, query: int, k: int) -> list[Neighbor]:
    """The k nearest of a query, best first; fewer if fewer are stored or in the gallery."""
    pictures, found = retrieved.pictures, []
    for column, position in enumerate(retrieved.neighbors[query, :k].tolist()):
        if position >= 0:
            label = int(pictures.labels[position])
            found.append(
                Neighbor(
                    column + 1,
                    position,
                    label,
                    pictures.class_names[label],
                    pictures.items[position],
                    float(retrieved.similarities[query, column]),
                    bool(retrieved.hits[query, column]),
                    position < len(retrieved.hits),
                )
            )
    return found


def outcome(retrieved: Retrieved, query: int) -> Outcome:
    """The scores of a query."""
    pictures = retrieved.pictures
    first_hit = int(retrieved.first_hit[query])
    return Outcome(
        query,
        pictures.class_names[int(pictures.labels[query])],
        pictures.items[query],
        int(retrieved.relevant[query]),
        first_hit,
        first_hit == 1,
        float(retrieved.average_precision[query]),
        retrieved.searched,
    )


def step_to(
    retrieved: Retrieved, query: int, step: str, generator: np.random.Generator
) -> int | None:
    """The query after a step of `STEPS`; a random one is another one, None if there is none."""
    count = len(retrieved.hits)
    if step in ("previous", "next"):
        return (query + (1 if step == "next" else -1)) % count
    candidates = retrieved.failures if step == "failure" else np.arange(count)
    others = candidates[candidates != query]
    return int(generator.choice(others)) if len(others) else None
