"""How far two groupings of the same items agree: NMI and AMI, exact at any number of groups."""

import numpy as np

Groups = np.ndarray[tuple[int], np.dtype[np.int64]]
NO_ROOM = 1e-12  # nats, between rounding and the least that one item in another group can mean


def normalized_mutual_information(left: Groups, right: Groups) -> float:
    """NMI in [0, 1] of two groupings (N,), by the arithmetic mean of the entropies.

    2 I / (H + H'); 1 if both have one group only. scikit-learn's, with its default averaging.
    """
    from sklearn.metrics import normalized_mutual_info_score

    return float(normalized_mutual_info_score(left, right))


def adjusted_mutual_information(left: Groups, right: Groups) -> float:
    """AMI, at most 1, of two groupings (N,): about 0 for groupings that know nothing of each other.

    (I - E) / ((H + H') / 2 - E), E the expectation of I over all groupings of the same sizes. Vinh
    et al., Information Theoretic Measures for Clusterings Comparison, JMLR 2010,
    https://jmlr.org/papers/v11/vinh10a.html. 1 where the sizes leave no choice, so for one group
    only or groups of one item only, on both sides. The value of scikit-learn's
    adjusted_mutual_info_score, which goes through all pairs of groups, half a minute for 11,316
    classes; here pairs of groups of equal sizes share one term.
    """
    from scipy.stats import entropy
    from sklearn.metrics import mutual_info_score

    sizes = np.unique_counts(left).counts, np.unique_counts(right).counts
    expected = expected_information(*sizes)
    gain = float(mutual_info_score(left, right)) - expected
    room = float(entropy(sizes[0]) + entropy(sizes[1])) / 2 - expected
    return gain / room if room > NO_ROOM else 1.0


def expected_information(left: Groups, right: Groups) -> float:
    """Expectation, in nats, of the mutual information of two random groupings of N items into
    groups of the sizes (A,) and (B,)."""
    from scipy.special import gammaln

    items = int(left.sum())
    logs = gammaln(np.arange(items + 1) + 1.0)  # of factorials
    others, times_other = np.unique_counts(right)
    total = 0.0
    for size, times in zip(*np.unique_counts(left), strict=True):
        both = np.arange(1, min(size, others.max()) + 1)[:, None]  # items that two groups share
        rests = size - both, others - both, items - size - others + both
        possible = (rests[1] >= 0) & (rests[2] >= 0)
        ways = sum(logs[np.where(possible, rest, 0)] for rest in (both, *rests))
        whole = logs[size] + logs[others] + logs[items - size] + logs[items - others] - logs[items]
        chances = np.exp(np.where(possible, whole - ways, -np.inf))
        terms = both / items * np.log(items * both / (size * others))
        total += float(times * ((chances * terms).sum(axis=0) @ times_other))
    return total
