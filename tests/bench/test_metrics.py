"""The table of metrics: every score has a table, a heading and a definition; unknown ones too."""

import pytest

from bench.metrics import FAMILIES, METRICS, definitions, describe, families, printed

RETRIEVAL = ["recall@1", "recall@2", "recall@4", "recall@8", "map@r", "nmi"]


def test_every_row_names_a_family_and_has_a_definition() -> None:
    for metric in METRICS.values():
        assert metric.family in FAMILIES
        assert metric.also_in in ("", *FAMILIES)
        assert metric.definition.endswith((".", ")"))
    headings = [metric.heading for metric in METRICS.values()]
    assert len(set(headings)) == len(headings)


def test_every_score_is_in_a_table() -> None:
    tables = families([*METRICS, "new_score"])
    assert {key for keys in tables.values() for key in keys} == {*METRICS, "new_score"}
    assert list(tables) == list(FAMILIES)
    for key in METRICS:
        assert any(key in keys for keys in families([key]).values())


def test_tables_follow_the_scores_that_a_protocol_has() -> None:
    assert families(RETRIEVAL) == {"Retrieval": RETRIEVAL}
    clustering = families([*RETRIEVAL, "nmi_min", "ami"])["Clustering"]
    assert clustering == ["nmi", "nmi_min", "ami"]
    people = ["recall@1", "recall@2", "recall@5", "recall@10", "map", "map@r"]
    assert families(people) == {
        "Re-identification": ["recall@1", "recall@5", "recall@10", "map", "map@r"],
        "Retrieval": ["recall@1", "recall@2", "map@r"],
    }


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [("recall@1", 0.4567, "45.7"), ("queries_without_relevant", 12.0, "12"), ("new", 0.25, "0.25")],
)
def test_percent_is_for_fractions_of_known_scores(key: str, value: float, text: str) -> None:
    assert printed(key, value) == text
    assert describe("new").heading == "new (number)"


def test_scores_with_one_definition_share_an_entry() -> None:
    found = definitions(["recall@2", "nmi", "recall@1", "new"])
    assert list(found) == ["R@1, R@2", "NMI"]
    assert found["NMI"] == METRICS["nmi"].definition
