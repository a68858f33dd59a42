"""A suite whose values come from a search, and what contradicts it."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.suites import SuiteError, load_suite
from bench.suites.tuned import check_tuned_data
from tests.support.searches import DATA, write_stored_search

UNTUNED = '\n[methods.Own]\nloss = "contrastive"\n'


def one_trial_less(text: str) -> str:
    """The first method has fewer trials than the second."""
    return text.replace("trials = 5", "trials = 4", 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda text: text.replace("seeds = [0, 1]", "seeds = [0, 1000]"),
            "seeds: 1000 is also the seed of the search",
        ),
        (
            one_trial_less,
            "methods.Proxy-NCA: 4 trials on digits, but Triplet has 5 on digits",
        ),
        (
            lambda text: text.replace("[budgets.digits]", '[budgets.digits]\nsplit = "official"'),
            "budgets.digits: the runs are on digits, official, and the search was on digits, "
            "class-disjoint",
        ),
        (lambda text: text + UNTUNED, "methods.Own: 0 trials on digits, but Proxy-NCA has 5"),
        (
            lambda text: text.replace("[methods.", "[methods.My-"),
            "methods.My-Triplet: nothing was searched for it on digits, only for Proxy-NCA, "
            "Triplet; restore its name",
        ),
        (
            lambda text: text.replace("[tuning.budgets.digits", "[tuning.budgets.glyphs"),
            "budgets.digits: nothing was tuned on it, only on glyphs",
        ),
        (lambda text: text.replace("trials = 5", "trails = 5"), "did you mean 'trials'?"),
    ],
)
def test_a_suite_that_contradicts_its_search_is_refused(
    change: Callable[[str], str], message: str, tmp_path: Path
) -> None:
    path = write_stored_search(tmp_path)
    text = path.read_text()
    assert change(text) != text
    path.write_text(change(text))
    with pytest.raises(SuiteError, match=re.escape(message)):
        load_suite(str(path))


@pytest.mark.parametrize(
    ("change", "marked"),
    [
        (("loss_learning_rate = ", "loss_learning_rate = 1"), ["Proxy-NCA"]),
        (("steps = 12", "steps = 24"), ["Proxy-NCA", "Triplet"]),
        (("args = { margin", "args = { margin = 0.3 }\n# { margin"), ["Triplet"]),
        (("seeds = [0, 1]", "seeds = [0, 1, 2]"), []),
        (
            (
                '[methods.Triplet]\nloss = "triplet"',
                '# methods\n[methods.Triplet]\nloss = "triplet"',
            ),
            [],
        ),
    ],
)
def test_edited_values_and_budgets_are_marked(
    change: tuple[str, str], marked: list[str], tmp_path: Path
) -> None:
    path = write_stored_search(tmp_path)
    text = path.read_text()
    assert change[0] in text
    path.write_text(text.replace(*change))
    lines = load_suite(str(path)).edited
    assert [
        line.partition(" on digits: its values or its budget were edited")[0] for line in lines
    ] == marked


def test_other_images_or_another_split_are_refused_with_both_sides(tmp_path: Path) -> None:
    tuning = load_suite(str(write_stored_search(tmp_path))).tuning
    assert tuning
    same = DATA.fingerprint, DATA.checksum
    check_tuned_data(tuning, "digits", "class-disjoint", *same)
    check_tuned_data(tuning, "glyphs", "class-disjoint", "0" * 64, "0" * 64)  # not tuned
    for data in [("e" * 64, DATA.checksum), (DATA.fingerprint, "e" * 64)]:
        with pytest.raises(ValueError, match=r"digits: .* tuned on images .*c{12}.*f{12}.*e{12}"):
            check_tuned_data(tuning, "digits", "class-disjoint", *data)
