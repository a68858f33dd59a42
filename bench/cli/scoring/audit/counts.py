"""How many images and classes the parts of known data sets have, and which part is meant."""

from typing import NamedTuple

from bench.suggest import unknown

NEAR = 0.02  # a share of images or classes by which a number is a near miss
MANY = 40  # classes from which two data sets hardly agree by chance
TEST, TRAIN, ALL = "test part", "training part", "training and test part together"


class Part(NamedTuple):
    """A part of a data set with its numbers of images and classes; split is empty for all."""

    dataset: str
    split: str
    part: str
    images: int
    classes: int

    def __str__(self) -> str:
        name = f"{self.split} {self.part}".strip()
        return f"{name} of {self.dataset} ({self.images:,} images of {self.classes:,} classes)"


PARTS = (
    Part("cub200", "class-disjoint", TEST, 5_924, 100),
    Part("cub200", "class-disjoint", TRAIN, 5_864, 100),
    Part("cub200", "official", TEST, 5_794, 200),
    Part("cub200", "official", TRAIN, 5_994, 200),
    Part("cub200", "", ALL, 11_788, 200),
    Part("cars196", "class-disjoint", TEST, 8_131, 98),
    Part("cars196", "class-disjoint", TRAIN, 8_054, 98),
    Part("cars196", "official", TEST, 8_041, 196),
    Part("cars196", "official", TRAIN, 8_144, 196),
    Part("cars196", "", ALL, 16_185, 196),
    Part("sop", "class-disjoint", TEST, 60_502, 11_316),
    Part("sop", "class-disjoint", TRAIN, 59_551, 11_318),
    Part("sop", "", ALL, 120_053, 22_634),
    Part("grocery_store", "class-disjoint", TEST, 2_370, 40),
    Part("grocery_store", "class-disjoint", TRAIN, 3_051, 41),
    Part("grocery_store", "official", TEST, 2_485, 81),
    Part("grocery_store", "official", TRAIN, 2_936, 81),
    Part("grocery_store", "", ALL, 5_421, 81),
    Part("omniglot", "class-disjoint", TEST, 13_180, 659),
    Part("omniglot", "class-disjoint", TRAIN, 19_280, 964),
    Part("omniglot", "", ALL, 32_460, 1_623),
    Part("glyphs", "class-disjoint", TEST, 5_232, 218),
    Part("glyphs", "class-disjoint", TRAIN, 17_160, 715),
    Part("glyphs", "official", TEST, 7_464, 933),
    Part("glyphs", "official", TRAIN, 14_928, 933),
    Part("glyphs", "", ALL, 22_392, 933),
    Part("digits", "class-disjoint", TEST, 896, 5),
    Part("digits", "class-disjoint", TRAIN, 901, 5),
    Part("digits", "official", TEST, 355, 10),
    Part("digits", "official", TRAIN, 1_442, 10),
    Part("digits", "", ALL, 1_797, 10),
)


def known_counts(images: int, classes: int, dataset: str | None) -> tuple[bool, str]:
    """Whether numbers of images and classes are suspicious, and a sentence on them.

    dataset: the name of the data set that they should be of, or None to guess it: one with a part
    of many classes of which one number is right and the other almost.

    Raises: ValueError for a data set whose numbers are not known.
    """
    check_known(dataset)
    parts = [part for part in PARTS if meant(part, images, classes, dataset)]
    if not parts:
        return False, "No known data set has numbers of images and classes like these."
    part = min(parts, key=lambda one: distance(one, images, classes))
    if (part.images, part.classes) != (images, classes):
        return True, (
            f"{images:,} images of {classes:,} classes are not the {part}: "
            f"{difference(part, images, classes)}."
        )
    if part.part == TEST:
        return False, f"As many images and classes as the {part}."
    return True, f"As many as the {part}; results are reported on a test part."


def check_known(dataset: str | None) -> None:
    """Raise ValueError for a data set whose numbers are not known."""
    names = list(dict.fromkeys(part.dataset for part in PARTS))
    if dataset is not None and dataset not in names:
        raise ValueError(unknown("data set of known size", dataset, names))


def meant(part: Part, images: int, classes: int, dataset: str | None) -> bool:
    """Whether a part may be the one that numbers are of."""
    near = distance(part, images, classes) <= NEAR
    if dataset is not None:
        return part.dataset == dataset and (near or part.part == TEST)
    one_right = images == part.images or classes == part.classes
    return part.classes >= MANY and one_right and near


def distance(part: Part, images: int, classes: int) -> float:
    """How far numbers are from those of a part: the sum of both relative differences."""
    return abs(images - part.images) / part.images + abs(classes - part.classes) / part.classes


def difference(part: Part, images: int, classes: int) -> str:
    """What a part lacks, or has too many of."""
    counts = (images - part.images, "images"), (classes - part.classes, "classes")
    return " and ".join(
        f"{abs(count):,} {name} {'are missing' if count < 0 else 'are too many'}"
        for count, name in counts
        if count
    )
