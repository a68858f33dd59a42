"""Omniglot's splits by alphabets: which characters train, validate and test."""

import numpy as np

from bench.datasets.omniglot.reading import PARTS, characters
from bench.datasets.splits import Split

# What images_background_small1.zip and images_background_small2.zip hold. Packed as those are, no
# other five alphabets of 136 and 156 characters give their 1,319,022 and 1,580,917 bytes.
MINIMAL = {
    "minimal-1": ("Balinese", "Early_Aramaic", "Greek", "Korean", "Latin"),
    "minimal-2": ("Greek", "Japanese_(katakana)", "Latin", "Sanskrit", "Tagalog"),
}


def alphabet_split(labels: np.ndarray, protocol: str) -> Split:
    """Split by alphabets: the 20 evaluation alphabets test, background alphabets train.

    labels (N,) int64 are positions in ``characters``. Under "class-disjoint" all 30 background
    alphabets are used, under "minimal-1" and "minimal-2" the five of Lake's two small background
    sets (https://github.com/brendenlake/omniglot, "minimal" splits) and the others are in no part.
    Of those used, every fifth in order of name validates: of five the last.
    """
    places = [character.split("/")[:2] for character in characters()]
    background = sorted({alphabet for part, alphabet in places if part == PARTS[0]})
    used = sorted(MINIMAL.get(protocol, background))
    held_out = used[4::5]
    alphabets = np.array([alphabet for _, alphabet in places])[labels]
    test = np.flatnonzero(~np.isin(alphabets, background))
    return Split(
        protocol=protocol,
        train=np.flatnonzero(np.isin(alphabets, used) & ~np.isin(alphabets, held_out)),
        validation=np.flatnonzero(np.isin(alphabets, held_out)),
        query=test,
        gallery=test,
    )
