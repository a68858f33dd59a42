"""Which letters have the same shape: no two that are kept, and each that is left out has a twin."""

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageFont

from bench.datasets.glyphs.dataset import TEST_SCRIPTS, font_path, left_out_letters, letters
from bench.datasets.glyphs.shapes import (
    CASE,
    EM,
    STRICT,
    Shape,
    alike,
    alike_pairs,
    case_pairs,
    choose,
    same_shape,
    shape_of,
    shapes_of,
)

SANS, SERIF = font_path("DejaVuSans"), font_path("DejaVuSerif")


@pytest.fixture(scope="module", params=[SANS, SERIF], ids=["sans", "serif"])
def same(request: pytest.FixtureRequest) -> np.ndarray:
    """(C, C) bool of one face, for all letters."""
    return alike_pairs(shapes_of(request.param, letters(every=True)))


@pytest.mark.slow
def test_no_two_kept_letters_have_the_same_shape(same: np.ndarray) -> None:
    every, kept = letters(every=True), set(letters())
    positions = [i for i, code_point in enumerate(every) if code_point in kept]
    found = np.argwhere(np.triu(same[np.ix_(positions, positions)], 1))
    assert [(chr(every[positions[i]]), chr(every[positions[j]])) for i, j in found] == []
    ties = same & ~np.eye(len(same), dtype=bool)
    assert ties.any(axis=1).mean() > 0.25  # of all letters


def test_every_letter_that_is_left_out_has_a_kept_twin() -> None:
    found = left_out_letters()
    kept, every = set(letters()), set(letters(every=True))
    assert {letter for letter, _, _ in found} == every - kept
    assert {twin for _, twin, _ in found} <= kept
    assert {faces for _, _, faces in found} <= set(range(1, 13))
    everywhere = [(letter, twin) for letter, twin, faces in found if faces == 12]
    assert len(everywhere) > 80
    for face in (SANS, SERIF):
        for letter, twin in everywhere:
            one, other = shapes_of(face, [letter, twin])
            case = chr(letter).lower() == chr(twin).lower()
            assert alike(one, other, CASE if case else STRICT), chr(letter) + chr(twin)


def test_small_forms_of_one_shape_are_left_out() -> None:
    left_out = {chr(letter): chr(twin) for letter, twin, _ in left_out_letters()}
    assert [left_out[small] for small in "єжй"] == ["Є", "Ж", "Й"]
    assert left_out["A"] == left_out["Α"] == "А"  # Latin and Greek, and Cyrillic
    assert "а" not in left_out


def test_kept_is_the_letter_of_a_test_script() -> None:
    for letter, twin, _ in left_out_letters():
        tests = [unicodedata.name(chr(c)).startswith(TEST_SCRIPTS) for c in (letter, twin)]
        assert tests != [True, False]


def shape(letter: str, face: Path = SANS) -> Shape:
    font = ImageFont.truetype(face, EM, layout_engine=ImageFont.Layout.BASIC)
    return shape_of(font, letter)


@pytest.mark.parametrize("pair", ["AА", "Oo", "Ss", "Жж", "Хх", "ΟՕ"])
def test_twins_are_alike_whatever_their_size(pair: str) -> None:
    assert alike(shape(pair[0]), shape(pair[1]), STRICT)


@pytest.mark.parametrize("pair", ["AB", "ÖO", "cɔ", "nu", "ДЛ", "IJ", "ÖÓ", "Aa"])
def test_other_letters_are_not(pair: str) -> None:
    assert not alike(shape(pair[0]), shape(pair[1]), STRICT)


@pytest.mark.parametrize("pair", ["Öö", "Йй", "Żż"])
def test_marks_may_have_another_size_beside_small_letters(pair: str) -> None:
    assert alike(shape(pair[0]), shape(pair[1]), CASE)
    assert not alike(shape(pair[0]), shape(pair[1]), STRICT)


def test_capital_and_small_forms_count_if_half_of_the_faces_agree() -> None:
    few = [ord("Ö"), ord("ö"), ord("A"), ord("a")]
    assert case_pairs(few) == [(0, 1), (2, 3)]
    same = same_shape([SANS, SERIF], few)
    assert same[0, 1] == same[1, 0] == 1
    assert same[2, 3] == 0


def test_the_first_letter_in_order_is_kept() -> None:
    same = np.array([[1, 1, 0], [1, 1, 1], [0, 1, 1]])
    assert choose(same, [0, 1, 2]) == {1: 0}
    assert choose(same, [1, 0, 2]) == {0: 1, 2: 1}
