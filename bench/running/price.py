"""What a suite costs, from measured speeds: pure arithmetic."""

from typing import NamedTuple


class Size(NamedTuple):
    """Images of each part of a data set, and the classes that train; `photographs`, all of them."""

    photographs: int
    train: int
    validation: int
    test: int
    classes: int


# Of published data sets whose lists may not be here.
SIZES = {
    ("cub200", "class-disjoint"): Size(11_788, 4_697, 1_167, 5_924, 80),
    ("cub200", "official"): Size(11_788, 4_800, 1_194, 5_794, 200),
    ("cub200_boxes", "class-disjoint"): Size(11_788, 4_697, 1_167, 5_924, 80),
    ("cub200_boxes", "official"): Size(11_788, 4_800, 1_194, 5_794, 200),
    ("cars196", "class-disjoint"): Size(16_185, 6_497, 1_557, 8_131, 79),
    ("cars196", "official"): Size(16_185, 6_598, 1_546, 8_041, 196),
    ("sop", "class-disjoint"): Size(120_053, 53_650, 5_901, 60_502, 10_187),
    ("grocery_store", "class-disjoint"): Size(5_421, 2_454, 597, 2_370, 33),
    ("grocery_store", "official"): Size(5_421, 2_640, 296, 2_485, 81),
}
