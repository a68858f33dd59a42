"""HTML of the browser: marks without colour, names for screen readers, data that stays text."""

import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.store.thumbnails import encode
from demo.browser import Neighbor, Outcome
from demo.library import Library, open_library
from demo.page import show
from demo.render.query import render_head, render_neighbors, render_picture, render_query
from demo.render.scores import render_curves, render_scores
from tests.support.fabricated import METHODS, write_results

EVIL = "<b>\"x\"</b> & `y` ${z} 'q' </button><script>alert(1)</script>"
RIGHT = Neighbor(1, 7, 2, EVIL, "2/7.png", 0.91234, True, True)
WRONG = Neighbor(2, 9, 3, "plain", "3/9.png", -0.25, False, True)
OUTCOME = Outcome(4, EVIL, EVIL, 7, 1, True, 0.41234, "other test image")


class Parsed(HTMLParser):
    """Elements with their attributes, and all text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return open_library(write_results(tmp_path_factory.mktemp("results"), ("digits",)))


def buttons(text: str) -> list[dict[str, str | None]]:
    return [attributes for tag, attributes in Parsed(text).elements if tag == "button"]


def test_right_and_wrong_differ_in_frame_sign_and_words() -> None:
    html = render_neighbors(4, [RIGHT, WRONG], ["", ""])
    right, wrong = html.split("<li>")[1:]
    assert 'class="hit right"' in right
    assert 'class="hit wrong"' in wrong
    assert "✓" in right
    assert "✗" not in right
    assert "same class" in right
    assert "✗" in wrong.split("</ol>")[0]
    assert "✓" not in wrong.split("</ol>")[0]
    assert "other class" in wrong


def test_a_neighbour_is_a_button_with_its_data_and_a_name() -> None:
    right, wrong = buttons(render_neighbors(4, [RIGHT, WRONG], ["", ""]))
    assert [right["data-id"], right["data-rank"], right["data-ok"]] == ["7", "1", "1"]
    assert [wrong["data-id"], wrong["data-rank"], wrong["data-ok"]] == ["9", "2", "0"]
    assert wrong["aria-label"] == (
        "Rank 2, other class: plain, similarity -0.250. Make it the query"
    )


def test_text_from_data_stays_text_everywhere() -> None:
    picture = render_picture('p"a<b', "0-1", (8, 8), EVIL)
    for html in (
        render_neighbors(4, [RIGHT], [picture]),
        render_query(OUTCOME, [RIGHT], picture, EVIL),
        render_head(EVIL, ()),
        render_head("", (EVIL,)),
    ):
        parsed = Parsed(html)
        assert "script" not in {tag for tag, _ in parsed.elements}
        assert EVIL in parsed.text
        for tag, attributes in parsed.elements:
            for name in ("alt", "title"):
                assert attributes.get(name) in (None, "", EVIL), (tag, name)


def test_the_outcome_is_told_in_words() -> None:
    text = Parsed(render_query(OUTCOME, [RIGHT, WRONG], "", "")).text
    assert "1 of 2 shown are right. The first right one is at rank 1." in text
    assert "Right at rank 1: yes. AP@R 0.412 (R = 7" in text
    deep = Outcome(4, "a", "b", 7, 37, False, 0.0, "other test image")
    assert "at rank 37" in Parsed(render_query(deep, [WRONG], "", "")).text


def test_a_query_without_relevant_images_claims_no_score() -> None:
    lonely = Outcome(4, "a", "b", 0, 0, False, 0.0, "other test image")
    text = Parsed(render_query(lonely, [WRONG], "", "")).text
    assert "No other test image has its class." in text
    assert "It counts in no score." in text
    assert "AP@R" not in text


def test_every_picture_has_an_element_of_its_own() -> None:
    first, second = (render_picture("x", key, (8, 8), "") for key in ("0-1", "0-2"))
    assert first.startswith("<p-0-1>")
    assert second.startswith("<p-0-2>")


def test_only_small_pictures_are_enlarged_with_hard_edges() -> None:
    assert 'class="crisp"' in render_picture("x", "0-1", (8, 8), "")
    assert "crisp" not in render_picture("x", "0-1", (224, 160), "")
    assert 'width="160" height="224"' in render_picture("x", "0-1", (224, 160), "")


@pytest.mark.parametrize("shape", [(8, 8), (5, 9, 3)])
def test_png_holds_the_very_pixels(shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(2).integers(0, 256, shape, dtype=np.uint8)
    with Image.open(io.BytesIO(encode(image, "PNG"))) as opened:
        assert np.array_equal(np.asarray(opened), image)


def test_the_page_shows_one_button_per_stored_neighbour(library: Library) -> None:
    page = show(library, {"q": 5, "k": 6})
    stored = library.shelves[0].runs[0].queries["neighbors"][5, :6]
    shown = buttons(page.neighbors)
    assert [int(str(button["data-id"])) for button in shown] == stored.tolist()


def test_the_table_has_means_with_intervals_and_a_link_to_every_run(library: Library) -> None:
    html = render_scores(library.shelves[0], "digits <x>")
    text = Parsed(html).text
    for method in METHODS:
        seeds = [run for run in library.shelves[0].runs if run.spec["method"] == method]
        mean = np.mean([100 * run.scores["recall@1"] for run in seeds])
        assert re.search(rf"{re.escape(method)}{mean:.1f} ± \d", text)
    links = {attributes["href"] for tag, attributes in Parsed(html).elements if tag == "a"}
    key = library.shelves[0].key
    assert links == {f"?ds={key}&run={run.name}" for run in library.shelves[0].runs}
    assert "t-based 95 % confidence interval" in text
    assert "digits <x>" in text


def test_runs_that_must_not_be_averaged_are_listed_with_the_reason(tmp_path: Path) -> None:
    write_results(tmp_path, ("digits",))
    path = open_library(tmp_path).shelves[0].runs[0].directory / "run.json"
    path.write_text(path.read_text().replace("c" * 64, "d" * 64))
    shelf = open_library(tmp_path).shelves[0]
    text = Parsed(render_scores(shelf, "digits")).text
    assert "No means over seeds" in text
    assert "differ in data checksum" in text
    assert shelf.run_labels[shelf.runs[0].name] in text


def test_curves_name_every_method_and_follow_the_page_colours(library: Library) -> None:
    html = render_curves(library.shelves[0], "digits")
    for method in METHODS:
        assert method in html
    assert "currentColor" in html
    assert 'role="img"' in html
