"""What bounds the scores of a test: the R@1 that random neighbors reach, and the accuracy that is
possible."""

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
    if not known.any():
        return ""
    chance = float((relevant[known] / searched[known]).mean())
    if chance <= HIGH:
        return ""
    most = relevant.argmax()
    return (
        f"R@1 of random neighbors is about {100 * chance:.0f} %, since up to {relevant[most]:,} of "
        f"the {searched[most]:,} images that a query searches are of its own class: compare R@1 "
        "with that, not with 0"
    )


def possible_sentence(trained: int, images: int) -> str:
    """Which accuracy is possible where some of the test images are of trained classes and some are
    not; else nothing."""
    if trained in (0, images):
        return ""
    return (
        f"{images - trained:,} of {images:,} test images are of classes without training images: "
        f"no accuracy can exceed {100 * trained / images:.1f} %"
    )
