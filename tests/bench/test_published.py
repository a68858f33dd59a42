"""Published numbers: complete, equal to a second reading of the tables, checked, filtered."""

import re
from pathlib import Path

import pytest

from bench.published import Published, identity, published, read_published, select

# A second reading of the sources: data set, a part of paper and table, method, dimension, scores.
READ_AGAIN = """
cars196    | No Fuss.*Table 1          | Triplet semi-hard           | unknown | recall@1 51.54, recall@2 63.78, recall@4 73.52, recall@8 81.41, nmi 53.35
cars196    | No Fuss.*Table 1          | Lifted Struct               | unknown | recall@1 52.98, recall@2 66.70, recall@4 76.01, recall@8 84.27, nmi 56.88
cars196    | No Fuss.*Table 1          | Proxy-Triplet               | 64      | recall@1 55.90, recall@2 67.99, recall@4 74.04, recall@8 77.95, nmi 54.44
cars196    | No Fuss.*Table 1          | Proxy-NCA                   | 64      | recall@1 73.22, recall@2 82.42, recall@4 86.36, recall@8 88.68, nmi 64.90
cub200     | No Fuss.*Table 2          | N-pairs                     | unknown | recall@1 45.37, recall@2 58.41, recall@4 69.51, recall@8 79.49, nmi 57.24
cub200     | No Fuss.*Table 2          | Proxy NCA                   | 64      | recall@1 49.21, recall@2 61.90, recall@4 67.90, recall@8 72.40, nmi 59.53
cub200     | dichotomies.*results      | Proxy-NCA, best epoch       | 64      | recall@1 52.63, recall@2 64.63, recall@4 75.76, recall@8 84.52, nmi 60.64
sop        | dichotomies.*results      | Proxy-NCA, best epoch       | 64      | recall@1 74.07, recall@2 79.13, recall@4 83.30, recall@8 86.66
sop        | dichotomies.*brackets     | Proxy-NCA (2017)            | 64      | recall@1 73.73
cars196    | dichotomies.*last epoch   | Proxy-NCA, last epoch       | 64      | recall@1 70.508, recall@2 80.212, recall@4 87.037, recall@8 92.067, nmi 60.458
cub200     | suruoxi                   | Proxy-NCA                   | unknown | recall@1 51.76, recall@2 64.30, recall@4 75.24, recall@8 85.09
cub200     | Roth and Brattoli         | ProxyNCA                    | 128     | recall@1 64.0, recall@2 75.4, recall@4 84.2, recall@8 90.5, nmi 68.1
cars196    | Roth and Brattoli         | Triplet/Semihard            | 128     | recall@1 75.2, recall@2 84.1, recall@4 90.0, recall@8 94.0, nmi 64.2
sop        | Roth and Brattoli         | Margin/Distance             | 128     | recall@1 76.1, recall@10 88.7, recall@100 95.1, recall@1000 98.3, nmi 89.6
inshop     | Roth and Brattoli         | NPair                       | 512     | recall@1 75.7, recall@10 92.6, recall@20 95.1, recall@30 96.2, recall@50 97.2, nmi 87.3
cars196    | Zhai and Wu               | NormSoftmax                 | 2048    | recall@1 89.50, recall@2 94.18, recall@4 96.84, recall@8 98.41
sop        | Zhai and Wu               | NormSoftmax                 | 2048    | recall@1 79.55, recall@10 91.54, recall@100 96.66, recall@1000 98.95
sop        | ProxyNCA\\+\\+.*abstract    | ProxyNCA++                  | unknown | recall@1 81.4
cub200     | Proxy Anchor.*Table 2     | SoftTriple                  | 64      | recall@1 60.1, recall@2 71.9, recall@4 81.2, recall@8 88.5
cars196    | Proxy Anchor.*Table 2     | Proxy-NCA                   | 64      | recall@1 73.2, recall@2 82.4, recall@4 86.4, recall@8 87.8
cars196    | Proxy Anchor.*Table 2     | Proxy-Anchor                | 512     | recall@1 86.1, recall@2 91.7, recall@4 95.0, recall@8 97.3
sop        | Proxy Anchor.*Table 3     | Proxy-Anchor, larger input  | 512     | recall@1 80.3, recall@10 91.4, recall@100 96.4, recall@1000 98.7
inshop     | Proxy Anchor.*README      | Proxy-Anchor                | 512     | recall@1 91.9, recall@10 98.1, recall@20 98.7, recall@30 99.0, recall@40 99.1
cub200     | Reality.*Table 4, concat  | ProxyNCA                    | 512     | recall@1 65.69 ± 0.43, r_precision 35.14 ± 0.26, map@r 24.21 ± 0.27
cub200     | Reality.*Table 4, sep     | SoftTriple                  | 128     | recall@1 59.94 ± 0.33, r_precision 32.12 ± 0.14, map@r 21.31 ± 0.14
cars196    | Reality.*Table 5, sep     | MS                          | 128     | recall@1 73.77 ± 0.19, r_precision 29.92 ± 0.16, map@r 19.32 ± 0.18
cars196    | Reality.*Table 5$         | Pretrained                  | 512     | recall@1 46.89, r_precision 13.77, map@r 5.91
sop        | Reality.*Table 6, sep     | ArcFace                     | 128     | recall@1 70.88 ± 1.51, r_precision 44.00 ± 1.26, map@r 41.11 ± 1.22
sop        | Reality.*Table 6, concat  | Contrastive                 | 512     | recall@1 73.12 ± 0.20, r_precision 47.29 ± 0.24, map@r 44.39 ± 0.24
cub200     | Hyperbolic                | Sph-DINO                    | 384     | recall@1 78.7, recall@2 86.7, recall@4 91.4, recall@8 94.9
inshop     | Hyperbolic                | Hyp-DeiT                    | 384     | recall@1 90.5, recall@10 97.8, recall@20 98.5, recall@30 98.9
sop        | HIER                      | HIER                        | 512     | recall@1 80.2, recall@10 91.5, recall@100 96.6
market1501 | Torchreid                 | osnet_x1_0                  | 512     | recall@1 94.2, map 82.6
"""  # noqa: E501
PER_PAPER = {
    "No Fuss": 11,
    "dichotomies": 15,
    "suruoxi": 1,
    "Roth and Brattoli": 28,
    "Zhai and Wu": 4,
    "ProxyNCA++": 4,
    "Proxy Anchor Loss for Deep Metric Learning, CVPR": 33,
    "code of Proxy Anchor": 6,
    "Reality Check": 90,
    "Hyperbolic": 24,
    "HIER": 40,
    "Contextual": 2,
    "Torchreid": 3,
}
FILE = """
[[sources]]
paper = "A, B, 2020"
address = "https://example.org"
where = "Table 1"
year = "2020"
dataset = "cub200"
protocol = "class-disjoint"
plus_minus = "standard deviation over 3 runs"
run_by = "source"
backbone = "ResNet-50"
weights = "ImageNet"
dimension = "64"
input = "crop 224"
selection = "fixed"
training = "unknown"
notes = ["Of the source."]

[[sources.tables]]
rows = \"\"\"
method  | loss    | recall@1  | recall@2 | nmi | note
Triplet | triplet | 50.5±0.25 | 60       | –   | Of the row.
\"\"\"
notes = ["Of the table."]
"""


@pytest.mark.parametrize("line", READ_AGAIN.strip().splitlines())
def test_a_second_reading_of_the_source_gives_the_same_numbers(line: str) -> None:
    dataset, source, method, dimension, scores = (cell.strip() for cell in line.split("|"))
    found = [
        row
        for row in published()
        if (row.dataset, row.method, str(row.dimension)) == (dataset, method, dimension)
        and re.search(source, row.source)
    ]
    expected = dict(part.split(" ", 1) for part in scores.split(", "))
    assert [{key: score.printed for key, score in row.scores.items()} for row in found] == [
        expected
    ]


def test_every_paper_has_all_its_rows() -> None:
    counts = {part: sum(part in row.paper for row in published()) for part in PER_PAPER}
    assert counts == PER_PAPER
    assert len(published()) == sum(PER_PAPER.values())


def test_quoted_and_unknown_rows_are_marked() -> None:
    misprinted = select(published(), dataset="cars196", method="proxy_nca", years=(2017, 2017))
    assert [(row.run_by, row.scores["recall@8"].value) for row in misprinted] == [
        ("source", 88.68),
        ("quoted", 87.8),
    ]
    assert "misprint" in misprinted[1].notes[0]


def write(folder: Path, text: str = FILE) -> Path:
    path = folder / "published.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_row_has_the_fields_of_its_source_table_and_columns(tmp_path: Path) -> None:
    (row,) = read_published(write(tmp_path))
    assert (row.loss, row.dimension, row.year) == ("triplet", 64, 2020)
    assert row.notes == ("Of the source.", "Of the table.", "Of the row.")
    first = row.scores["recall@1"]
    assert (first.value, first.half, first.printed) == (50.5, 0.25, "50.5 ± 0.25")
    assert list(row.scores) == ["recall@1", "recall@2"]


@pytest.mark.parametrize("field", sorted(Published.model_fields.keys() - {"scores", "notes"}))
def test_no_field_may_be_left_out(field: str, tmp_path: Path) -> None:
    text = re.sub(rf"^{field} = .*\n", "", FILE, flags=re.MULTILINE)
    if field in ("method", "loss"):
        text = FILE.replace(f"{field} ", "note " if field == "loss" else "weights ", 1)
    with pytest.raises(ValueError, match=rf"{field}: Field required"):
        read_published(write(tmp_path, text))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("| 60  ", "| 49.9", r"R@2 is 49.9, below R@1, which is 50.5"),
        ("| 60  ", "| 601", "scores.recall@2.value: .*less than or equal to 100"),
        ("50.5±0.25", "50,5", "recall@1: expected a score such as 68.13 or 68.13±0.31"),
        ("recall@2", "recollect@2 ", "there is no score 'recollect@2'"),
        ("| triplet ", "| tripplet", "loss: unknown loss 'tripplet'; did you mean 'triplet'"),
        ('"cub200"', '"cub"', "dataset: unknown data set 'cub'"),
        ('"fixed"', '"best"', "selection: Input should be"),
        ('"2020"', '"in print"', "year"),
        ('dimension = "64"', 'dimension = "0"', "dimension"),
        ('backbone = "ResNet-50"', 'backbone = ""', "backbone"),
        ('"standard deviation over 3 runs"', '"none"', "plus_minus is none, but a score has"),
        ("| Of the row.", "", "5 cells under 6 names: Triplet"),
        ('where = "Table 1"', 'were = "Table 1"', "Field required|Extra inputs"),
    ],
)
def test_a_mistake_names_table_row_and_field(
    old: str, new: str, message: str, tmp_path: Path
) -> None:
    assert old in FILE
    with pytest.raises(ValueError, match=message) as error:
        read_published(write(tmp_path, FILE.replace(old, new, 1)))
    assert "A, B, 2020" in str(error.value)


def test_a_row_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    table = FILE[FILE.index("[[sources.tables]]") :]
    with pytest.raises(ValueError, match="row 1: the row is there twice"):
        read_published(write(tmp_path, FILE + table))
    assert len({identity(row) for row in published()}) == len(published())


def test_rows_are_selected_by_all_that_is_given() -> None:
    rows = select(
        published(), dataset="cub200", backbone="resnet50", dimension=512, years=(2020, 2022)
    )
    assert [(row.method, row.year) for row in rows] == [("Proxy-Anchor", 2020)]
    assert {row.loss for row in select(published(), method="proxy_anchor")} == {"proxy_anchor"}
    assert {row.method for row in select(published(), method="hyp-")} == {
        "Hyp-DeiT",
        "Hyp-DINO",
        "Hyp-ViT",
    }
    assert select(published()) == list(published())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"dataset": "cub20"}, "unknown data set 'cub20'; did you mean 'cub200'"),
        ({"dataset": "glyphs"}, "no published row is of glyphs; there are some of cars196, cub200"),
        ({"backbone": "ResNet-51"}, "has the backbone 'ResNet-51'; did you mean 'ResNet-50'"),
        ({"backbone": "-"}, "has the backbone '-'"),
        ({"dimension": 65}, r"has the dimension 65 \(there are: 64, 128, 384, 512, 2048, unknown"),
        ({"years": (1999, 2001)}, r"has the year '1999-2001' \(there are: 2017, 2019"),
        ({"years": (1999, 1999)}, "has the year '1999'"),
    ],
)
def test_what_matches_nothing_says_what_there_is(given: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        select(published(), **given)  # type: ignore[arg-type]
