"""METRICS: heading, family, direction and definition of every stored score.

Console, CSV, Markdown, report and browser read this table. To add a metric, write its function and
one row here. A stored score without a row is shown under its key, in the family "Other scores".
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf

ACCURACIES = "Classification"
FAMILIES = (
    "Re-identification",
    "Retrieval",
    "Clustering",
    "Further retrieval scores",
    ACCURACIES,
    "Super-classes",
    "Verification",
    "Few-shot episodes",
    "Other scores",
)  # titles of the tables, in order


@dataclass(frozen=True)
class Metric:
    """How one score is shown.

    Attributes: heading, of its column; family, of `FAMILIES`, whose table shows it; definition, for
    readers; lower_is_better; percent, whether it is a share, at most 1 and printed in percent, or
    a count; lowest, of a share; also_in, another family whose table repeats it.
    """

    heading: str
    family: str
    definition: str
    lower_is_better: bool = False
    percent: bool = True
    lowest: float = 0
    also_in: str = ""


RECALL = (
    "Share of test images with at least one image of their own class among their K nearest "
    "neighbors by cosine similarity. The image itself is excluded by its identity; an image of "
    "another class that is equally near ranks first. In re-identification, images of the query's "
    "identity by its own camera, and junk, are ignored: R@K is then CMC at rank K."
)
MAP_AT_R = (
    "For an image with R others of its class: the mean over ranks 1 to R of the precision at that "
    "rank where the neighbor has the same class, and 0 where it has not; then the mean over "
    "images. It sees the whole class, R@1 only the nearest neighbor. "
    "Musgrave et al., A Metric Learning Reality Check, 2020."
)
MEAN_AP = (
    "Precision averaged over all correct gallery images of a query, then over queries. Images by "
    "the query's own camera, and junk, are ignored. The trapezoidal form is that of Market-1501's "
    "own code."
)
CLUSTERING = (
    "Mutual information between the classes and a k-means clustering into as many clusters as "
    "there are classes, mean over k-means seeds. NMI is normalised by the arithmetic mean of the "
    "entropies and rises with the number of clusters even by chance; AMI is corrected for chance."
)
SPREAD = "Lowest and highest value over the k-means seeds of one run."
ACCURACY = (
    "Share of test images that get their own class from the most similar training image, from the "
    "most similar mean of a training class, and from the most similar proxy or center that the "
    "loss has learned. Only images that trained count as training images: validation images of an "
    "official training list do not."
)
VERIFICATION = (
    "Over all pairs of test images (of queries, where there is a separate gallery; left out where "
    "more than five million pairs are of one class). TAR at FAR: share of same-class pairs "
    "accepted at the similarity at which at most that share of the pairs of two classes is "
    "accepted. EER: the rate at which both errors are equal (lower is better)."
)
EPISODES = (
    "Accuracy in telling N unseen classes from K images of each, by the most similar class mean, "
    "over 1,000 episodes that are the same for all runs, with five queries of each class; classes "
    "with fewer than K + 5 images are left out."
)

METRICS = {
    "recall@1": Metric("R@1", "Retrieval", RECALL, also_in="Re-identification"),
    "recall@2": Metric("R@2", "Retrieval", RECALL),
    "recall@4": Metric("R@4", "Retrieval", RECALL),
    "recall@5": Metric("R@5", "Re-identification", RECALL),
    "recall@8": Metric("R@8", "Retrieval", RECALL),
    "recall@10": Metric("R@10", "Re-identification", RECALL),
    "map": Metric("mAP", "Re-identification", MEAN_AP),
    "map_trapezoidal": Metric("mAP trapezoidal", "Re-identification", MEAN_AP),
    "map@r": Metric("MAP@R", "Retrieval", MAP_AT_R, also_in="Re-identification"),
    "nmi": Metric("NMI", "Retrieval", CLUSTERING, also_in="Clustering"),
    "nmi_min": Metric("NMI lowest", "Clustering", SPREAD),
    "nmi_max": Metric("NMI highest", "Clustering", SPREAD),
    "ami": Metric("AMI", "Clustering", CLUSTERING, lowest=-inf),
    "ami_min": Metric("AMI lowest", "Clustering", SPREAD, lowest=-inf),
    "ami_max": Metric("AMI highest", "Clustering", SPREAD, lowest=-inf),
    "r_precision": Metric(
        "R-Precision",
        "Further retrieval scores",
        "For an image with R others of its class: the share of its R nearest neighbors that have "
        "the same class; then the mean over images.",
    ),
    "queries_without_relevant": Metric(
        "Queries without a positive (number)",
        "Further retrieval scores",
        "Queries without a positive in the gallery. No retrieval score counts them.",
        lower_is_better=True,
        percent=False,
    ),
    "accuracy_neighbor": Metric("Nearest neighbor", ACCURACIES, ACCURACY),
    "accuracy_mean": Metric("Class mean", ACCURACIES, ACCURACY),
    "accuracy_proxy": Metric("Proxy or center", ACCURACIES, ACCURACY),
    "coarse_recall@1": Metric(
        "R@1, super-class",
        "Super-classes",
        "Share of test images whose nearest neighbor has the same super-class.",
    ),
    "tar@0.01": Metric("TAR at FAR 1e-2", "Verification", VERIFICATION),
    "tar@0.001": Metric("TAR at FAR 1e-3", "Verification", VERIFICATION),
    "tar@0.0001": Metric("TAR at FAR 1e-4", "Verification", VERIFICATION),
    "eer": Metric("EER", "Verification", VERIFICATION, lower_is_better=True),
    "5-way 1-shot": Metric("5-way 1-shot", "Few-shot episodes", EPISODES),
    "5-way 5-shot": Metric("5-way 5-shot", "Few-shot episodes", EPISODES),
    "20-way 1-shot": Metric("20-way 1-shot", "Few-shot episodes", EPISODES),
    "20-way 5-shot": Metric("20-way 5-shot", "Few-shot episodes", EPISODES),
    "one_shot_error": Metric(
        "Error in Lake's runs",
        "Few-shot episodes",
        "Error over the 20 one-shot runs that come with Omniglot (lower is better).",
        lower_is_better=True,
    ),
}


def describe(key: str) -> Metric:
    """The row of a score; a score without one is shown under its key, as a plain number, except
    Recall@K for another K."""
    if key.startswith("recall@") and key not in METRICS:
        return Metric(f"R@{key.removeprefix('recall@')}", "Other scores", RECALL)
    return METRICS.get(key) or Metric(f"{key} (number)", "Other scores", "", percent=False)


def ordered(keys: Iterable[str]) -> list[str]:
    """Distinct keys in the order of `METRICS`, then those without a row by name."""
    found = set(keys)
    return [key for key in METRICS if key in found] + sorted(found - METRICS.keys())


def families(keys: Iterable[str]) -> dict[str, list[str]]:
    """Family -> its scores among `keys`, so that every score is in at least one family.

    A family that would only repeat scores of other families is left out.
    """
    known = ordered(keys)
    rows = {key: describe(key) for key in known}
    return {
        family: [key for key in known if family in (rows[key].family, rows[key].also_in)]
        for family in FAMILIES
        if any(row.family == family for row in rows.values())
    }


def definitions(keys: Iterable[str]) -> dict[str, str]:
    """Headings -> definition; scores that share a definition share an entry: `R@1, R@2`."""
    shared: dict[str, list[str]] = {}
    for key in ordered(keys):
        if key in METRICS:
            shared.setdefault(METRICS[key].definition, []).append(METRICS[key].heading)
    return {", ".join(headings): definition for definition, headings in shared.items()}


def printed(key: str, value: float) -> str:
    """A value without its unit: in percent with one decimal, or a number as it is."""
    return f"{100 * value:.1f}" if describe(key).percent else f"{value:.4g}"
