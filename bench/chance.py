"""The R@1 that random neighbors reach on a test: what a network has to beat."""

import numpy as np

# Five classes of equal size stay below it. With fewer, or with one that holds nearly half of the
# images, an R@1 that looks good may be chance.
HIGH = 0.2


def chance_sentence(relevant: np.ndarray, searched: np.ndarray) -> str:
    """What R@1 random neighbors reach, if it is high; else nothing.

    relevant (Q,): how many images of its class each query searches, without itself; searched (Q,):
    how many images it searches. Queries without a positive do not count, as in R@1.
    """
    known = relevant > 0
    chance = float((relevant[known] / searched[known]).mean())
    if chance <= HIGH:
        return ""
    most = relevant.argmax()
    return (
        f"R@1 of random neighbors is about {100 * chance:.0f} %, since up to {relevant[most]:,} of "
        f"the {searched[most]:,} images that a query searches are of its own class: compare R@1 "
        "with that, not with 0"
    )
