"""HTML of the browser: marks without colour, names for screen readers, data that stays text."""

import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.store.runs import write_record
from bench.store.thumbnails import encode
from demo.library import Library, open_library
from demo.page import draw
from demo.pictures import Card, Picture
from demo.render import message, render
from demo.retrieved import Neighbor
from demo.tabs.results import render_curves, render_scores
from demo.tabs.start import verdict
from demo.view import TABS, View
from tests.support import fabricated
from tests.support.fabricated import (
    METHODS,
    end_early,
    make_features,
    make_spec,
    write_pretrained,
    write_results,
    write_run,
)

EVIL = "<b>\"x\"</b> & `y` ${z} 'q' </button><script>alert(1)</script>"
PICTURES = [Picture("picture/0/1", "0-1", 8, 8), Picture('p"a<b', "0-2", 224, 160)]
RIGHT = Card(Neighbor(1, 7, EVIL, 0.91234, True, True, EVIL), PICTURES[0], "?q=7")
WRONG = Card(Neighbor(2, 9, "plain", -0.25, False, True), PICTURES[1], "?q=9")
APART = Card(Neighbor(3, 50, EVIL, 0.5, False, False, EVIL), PICTURES[1], "")
OUTCOME = {"query": 4, "class_name": EVIL, "item": EVIL, "searched": "other test image"}
OUTCOME |= {"relevant": 7, "first_hit": 1, "average_precision": 0.41234}


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


def explored(cards: list[Card], **changes: object) -> str:
    values = {"outcome": OUTCOME, "picture": PICTURES[0], "cards": cards, "word": "class"}
    values |= {"neighbors": [card.neighbor for card in cards], "view": View("explore", "", "")}
    values |= dict.fromkeys(("filters", "lost", "steps", "classes"), ())
    values |= {
        "parts": {},
        "more_lost": 0,
        "unlisted": 0,
        "saved": 20,
        "exact": True,
        "unranked": "",
        "export": "",
        "file_name": EVIL,
    }
    return render("explore.html", **{**values, **changes})


def links(text: str) -> list[dict[str, str | None]]:
    """Links to other views."""
    found = [attributes for tag, attributes in Parsed(text).elements if tag == "a"]
    return [link for link in found if str(link["href"]).startswith("?")]


def test_right_and_wrong_differ_in_frame_sign_and_words() -> None:
    html = explored([RIGHT, WRONG])
    right, wrong = html.split('id="missed"')[0].split("<li>")[1:]
    assert 'class="hit right"' in right
    assert 'class="hit wrong"' in wrong
    assert "✓" in right
    assert "✗" not in right
    assert "same class" in right
    assert "✗" in wrong.split("</ol>")[0]
    assert "✓" not in wrong.split("</ol>")[0]
    assert "other class" in wrong


def test_a_neighbor_is_a_link_with_its_data_and_a_name() -> None:
    html = explored([RIGHT, WRONG, APART])
    right, wrong = links(html)  # an image of a separate gallery has none
    assert [right["data-id"], right["data-rank"], right["data-ok"]] == ["7", "1", "1"]
    assert [wrong["data-id"], wrong["data-rank"], wrong["data-ok"]] == ["9", "2", "0"]
    assert wrong["aria-label"] == (
        "Rank 2, other class: plain, similarity -0.250. Make it the query"
    )
    assert ["tabindex" in link for link in (right, wrong)] == [False, True]
    assert 'role="group"' in html


@pytest.mark.parametrize(
    ("cards", "says"),
    [
        ([RIGHT, WRONG], "exact. Press a picture to make it the query."),
        ([APART, APART], "These are images of the gallery, which cannot be queries."),
        (
            [APART, RIGHT, WRONG],
            "Press a picture to make it the query; those of the gallery alone cannot be queries.",
        ),
    ],
)
def test_the_legend_says_which_pictures_can_be_queries(cards: list[Card], says: str) -> None:
    """Where an image may be query and gallery, some neighbors are links."""
    assert says in " ".join(explored(cards).split())


def test_a_comparison_says_which_pictures_can_be_queries(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    says = "These are images of the gallery, which cannot be queries."
    assert says not in " ".join(draw(library, {"tab": "compare"}).split())
    monkeypatch.setattr("demo.tabs.compare.card", lambda shelf, view, item: APART)
    assert says in " ".join(draw(library, {"tab": "compare"}).split())


def test_text_from_data_stays_text_everywhere(library: Library) -> None:
    evil = replace(library, problems=(EVIL,))
    for html in (
        explored([RIGHT, APART], outcome=OUTCOME, picture=PICTURES[1]),
        message(EVIL, "problem"),
        *(draw(evil, {"tab": tab, "search": EVIL}) for tab in TABS),
    ):
        parsed = Parsed(html)
        assert "script" not in {tag for tag, _ in parsed.elements}
        assert EVIL in parsed.text
        addresses = {PICTURES[0].address, PICTURES[1].address}
        for _, attributes in parsed.elements:
            source = str(attributes.get("src", "picture/"))
            assert source in addresses or source.startswith("picture/")


@pytest.mark.parametrize(
    ("relevant", "first_hit", "words", "missing"),
    [
        (7, 1, ["1 of 2 nearest are right.", "rank 1.", "1: yes", "AP@R 0.412 (R = 7"], "1: no"),
        (7, 37, ["at rank 37", "rank 1: no"], "rank 1: yes"),
        (7, 0, ["No right one was found at all."], "rank 37"),
        (0, 0, ["No other test image has its class.", "It counts in no score."], "AP@R"),
    ],
)
def test_the_outcome_is_in_words(
    relevant: int, first_hit: int, words: list[str], missing: str
) -> None:
    outcome = OUTCOME | {"relevant": relevant, "first_hit": first_hit}
    text = " ".join(Parsed(explored([RIGHT, WRONG], outcome=outcome)).text.split())
    assert [word for word in words if word not in text] == []
    assert missing not in text


def test_every_picture_has_an_element_of_its_own_and_small_ones_have_hard_edges() -> None:
    first, second = explored([RIGHT, WRONG]).split("<li>")[1:]
    assert "<p-0-1><img" in first
    assert "<p-0-2><img" in second
    assert 'width="8" height="8" class="crisp"' in first
    assert 'width="160" height="224"></p-0-2>' in second


@pytest.mark.parametrize("shape", [(8, 8), (5, 9, 3)])
def test_png_holds_the_very_pixels(shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(2).integers(0, 256, shape, dtype=np.uint8)
    with Image.open(io.BytesIO(encode(image, "PNG"))) as opened:
        assert np.array_equal(np.asarray(opened), image)


def test_the_table_has_means_with_intervals_and_a_link_to_every_run(library: Library) -> None:
    html = render_scores(library.shelves[0])
    text = Parsed(html).text
    for method in METHODS:
        seeds = [run for run in library.shelves[0].runs if run.spec["method"] == method]
        mean = np.mean([100 * run.scores["recall@1"] for run in seeds])
        assert re.search(rf"{re.escape(method)}\s*{mean:.1f} ±\xa0\d", text)
    key = library.shelves[0].key
    assert {link["href"] for link in links(html)} == {
        f"?ds={key}&run={run.name}" for run in library.shelves[0].runs
    }
    assert "t-based 95 % confidence interval" in text
    assert "Retrieval: digits, class-disjoint split, test." in text


def test_runs_that_must_not_be_averaged_are_listed_with_the_reason(tmp_path: Path) -> None:
    write_results(tmp_path, ("digits",))
    run = open_library(tmp_path).shelves[0].runs[0]
    write_record(run.files, {**run.record, "data_checksum": "d" * 64})
    shelf = open_library(tmp_path).shelves[0]
    text = Parsed(render_scores(shelf)).text
    assert "No means over seeds" in text
    assert "differ in data checksum" in text
    assert shelf.run_labels[shelf.runs[0].name] in text


def test_curves_name_every_method_and_follow_the_page_colours(library: Library) -> None:
    html = render_curves(library.shelves[0])
    for method in METHODS:
        assert method in html
    assert "currentColor" in html
    assert 'role="img"' in html


def test_what_chance_reaches_is_said_beside_the_verdict(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(fabricated, "CLASSES", 2)
    write_results(tmp_path, ("digits",))
    said = verdict(open_library(tmp_path).shelves[0])
    assert "R@1 of random neighbors is about 47 %" in said
    assert "100 % for any embeddings" not in said


def test_methods_of_unequal_budgets_and_regimes_are_named_beside_the_verdict(
    library: Library, tmp_path: Path
) -> None:
    same = library.shelves[0]
    for text in (verdict(same), render_curves(same)):
        assert not re.search("Unequal|Regimes|Ended early|first run ends", text)
    results = write_pretrained(tmp_path)
    longer = make_spec("digits", "Proxy-NCA", 0).model_copy(
        update={"method": "<Longer>", "steps": 200, "patience": 2}
    )
    end_early(write_run(results, longer, gain=0.3), 100)
    write_run(results, longer.model_copy(update={"seed": 1}), gain=0.3)
    shelf = open_library(results).shelves[0]
    said = verdict(shelf)
    unequal = "backbone, weights, weights sha256, frozen, steps, patience"
    assert f"Unequal budgets: methods differ in {unequal}, so differences between them" in said
    assert "Regimes, which must not be compared: from scratch," in said
    for page in (draw(open_library(results), {"tab": tab}) for tab in ("start", "results")):
        assert "Regimes, which must not be compared: from scratch," in page
    curves = Parsed(render_curves(shelf)).text
    assert "A method's line ends where its first run ends." in curves
    assert "validation had stopped improving: <Longer> (1 of 2 runs, after 100 steps)." in curves


def test_runs_without_training_come_last_without_seed_bold_or_curve(tmp_path: Path) -> None:
    results = write_pretrained(tmp_path)
    (shelf,) = open_library(results).shelves
    labels = list(shelf.run_labels.values())
    assert labels[-2:] == ["Pretrained features", "Pretrained features, PCA to 16"]
    assert labels[-3] == "Triplet, semi-hard, seed 1"
    scores = render_scores(shelf)
    assert "Gain over the pretrained features" in scores
    untrained = scores.split('<tr class="untrained">')[1:]
    names = [re.sub("<[^>]*>", "", line.split("</th>")[0]).strip() for line in untrained]
    assert names[-2:] == labels[-2:]
    assert "Untrained head" in names
    curves = render_curves(shelf)
    assert "Convergence of 3 methods" in curves
    assert "problem" not in curves
    assert "The pretrained features as they are, without training, reach R@1" in verdict(shelf)
    head = make_features("digits", 16, method="Untrained head", head_init="random")
    for seed in (0, 1):
        write_run(results, head.model_copy(update={"seed": seed}), gain=0.1)
    labels = list(open_library(results).shelves[0].run_labels.values())
    assert labels[-2:] == ["Untrained head, seed 0", "Untrained head, seed 1"]
