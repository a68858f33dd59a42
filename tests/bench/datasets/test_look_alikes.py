"""Labels that look alike are found; labels that differ to the eye are not."""

import pytest

from bench.datasets import DATASETS, load
from bench.datasets.look_alikes import look_alikes, may_be_missing


@pytest.mark.parametrize(
    "labels",
    [
        ("Heron", "heron"),
        ("03", "3", "3.0", "3.00", "+3"),
        ("heron", "heron "),
        ("heron", "\uff48\uff45\uff52\uff4f\uff4e"),
        ("he\u200bron", "heron"),
        ("heron", "heron\ufeff", "heron\ufe0f"),
        ("grey  heron", "grey heron", "grey\u00a0heron", "grey-heron", "grey_heron"),
        ("a\u2010b", "a-b"),
        ("\u041d\u0415RON", "heron"),
        ("d'or", "d\u2019or"),
        ("-1", "\u22121", "-1.0"),
        ("0", "-0"),
        ("\u0412\u041e\u0414\u0410", "\u0432\u043e\u0434\u0430"),
        ("MASSE", "ma\u00dfe"),
    ],
)
def test_each_of_these_looks_like_the_others(labels: tuple[str, ...]) -> None:
    assert look_alikes([*labels, *labels, "owl"]) == [sorted(labels)]


@pytest.mark.parametrize(
    "labels",
    [
        ("A", "a"),  # a letter by hand
        ("A-", "A+", "A", "AB"),
        ("-1", "1", "10", "01.5", "1e1"),
        ("1-2", "12", "1.2"),
        ("ano", "a\u00f1o"),
        ("heron", "herons", "her on"),
        ("9" * 40, "9" * 39 + "8"),
        ("\u0441\u043e\u0440\u0442", "copt"),
        ("\u9ce5", "\u9ce5\u9ce5", ""),
        ("c", "c#", "c++"),
    ],
)
def test_these_differ(labels: tuple[str, ...]) -> None:
    assert look_alikes(labels) == []


def test_several_groups_are_sorted() -> None:
    assert look_alikes(["b", "Owl", "03", "owl", "3", "B"]) == [["03", "3"], ["Owl", "owl"]]


@pytest.mark.parametrize("name", ["digits", "glyphs"])
def test_classes_of_published_data_sets_differ(name: str) -> None:
    source = DATASETS[name]
    names = load(name, None, source.protocols[0]).class_names
    assert look_alikes(names) == []
    assert not any(map(may_be_missing, names))
