"""The retrieval browser in a real Chromium, at the width of a desktop and of a phone."""

import csv
import re
import time
from collections.abc import Callable
from urllib.parse import quote

import pytest
from PIL import Image
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Served

pytestmark = pytest.mark.browser
Visit = Callable[[str], Page]
WIDTHS = {"desk": (1280, 800), "phone": (390, 844)}


def wait_for_query(page: Page, query: int) -> None:
    expect(page.locator(f'#grid .hits[data-q="{query}"]')).to_have_count(1)
    expect(page.locator(f'#card .query[data-q="{query}"]')).to_have_count(1)
    expect(page).to_have_url(re.compile(rf"[?&]q={query}&"))
    expect(page.locator("#q")).to_have_value(str(query))


def marks(page: Page) -> list[tuple[int, bool, bool]]:
    """(position, marked right by data, framed solid) of every card."""
    found = page.eval_on_selector_all(
        "#grid .hit",
        "all => all.map(hit => [Number(hit.dataset.id), hit.dataset.ok === '1',"
        " getComputedStyle(hit).borderTopStyle === 'solid'"
        " && hit.innerText.includes('✓') && hit.innerText.includes('same class')])",
    )
    return [(int(position), bool(ok), bool(solid)) for position, ok, solid in found]


def test_marks_equal_the_stored_hits(visit: Visit, served: Served) -> None:
    for shelf in served.library.shelves:
        for run in (shelf.runs[0], shelf.runs[4]):
            page = visit(f"?ds={shelf.key}&run={run.name}&q=13&k=20")
            wait_for_query(page, 13)
            labels = shelf.pictures.labels
            stored = run.queries["neighbors"][13].tolist()
            hits = [bool(labels[position] == labels[13]) for position in stored]
            assert marks(page) == list(zip(stored, hits, hits, strict=True))


def test_all_pictures_are_painted_with_hard_edges(visit: Visit) -> None:
    page = visit("?q=0")
    sizes = "all => all.map(i => [i.naturalWidth, getComputedStyle(i).imageRendering, i.width])"
    page.wait_for_function("[...document.images].every(i => i.complete && i.naturalWidth)")
    for natural, rendering, width in page.eval_on_selector_all("#grid img, #card img", sizes):
        assert [natural, rendering] == [8, "pixelated"]
        assert width > 80


@pytest.mark.parametrize("how", ["click", "Enter"])
def test_a_neighbor_becomes_the_query_and_back_returns(visit: Visit, how: str) -> None:
    page = visit("?q=3")
    third = page.locator("#grid .hit").nth(2)
    target = int(str(third.get_attribute("data-id")))
    third.focus()
    third.click() if how == "click" else page.keyboard.press("Enter")
    wait_for_query(page, target)
    page.go_back()
    wait_for_query(page, 3)
    page.go_forward()
    wait_for_query(page, target)


def test_a_deep_link_restores_everything_and_survives_a_reload(
    visit: Visit, served: Served
) -> None:
    shelf = served.library.shelves[1]
    run = shelf.runs[5]
    page = visit(f"?ds={shelf.key}&run={run.name}&q=7&k=5&tab=results")
    for _ in range(2):
        expect(page.locator("table.means").first).to_be_visible()
        expect(page.locator("#ds")).to_have_value(shelf.key)
        expect(page.locator("#run")).to_have_value(run.name)
        expect(page.locator('[aria-current="page"]')).to_have_text("Results")
        expect(page).to_have_url(re.compile("tab=results.*q=7&k=5"))
        page.reload()


def test_choices_and_steps_lead_to_what_they_say(visit: Visit, served: Served) -> None:
    page, shelf = visit("?q=5"), served.library.shelves[1]
    page.locator("#run").select_option(label="Proxy-NCA, seed 1")
    expect(page).to_have_url(re.compile(f"run={served.library.shelves[0].runs[4].name}"))
    page.get_by_role("link", name="Next").click()
    wait_for_query(page, 6)
    page.keyboard.press("[")
    wait_for_query(page, 5)
    page.locator("#q").fill("999")
    page.locator("#q").press("Enter")
    wait_for_query(page, 47)  # the last
    page.locator("#q").fill("999")
    page.locator("#q").press("Enter")
    wait_for_query(page, 47)
    page.get_by_role("link", name="Random failure").click()
    expect(page).not_to_have_url(re.compile("q=47&"))  # the answer has come
    expect(page.locator("#card")).to_contain_text("Right at rank 1: no")
    page.locator("#k").fill("4")
    page.locator("#k").press("Enter")
    expect(page.locator("#grid .hit")).to_have_count(4)
    page.locator("#ds").select_option(shelf.key)
    expect(page).to_have_url(re.compile(f"ds={shelf.key}&run={shelf.runs[0].name}"))
    expect(page.locator("#run")).to_have_value(shelf.runs[0].name)


def test_what_was_chosen_gives_way_to_what_is_shown(visit: Visit, served: Served) -> None:
    """Browsers keep the choice of a list whatever its page says later."""
    page, runs = visit("?q=5"), served.library.shelves[0].runs
    page.locator("#run").select_option(runs[4].name)
    expect(page).to_have_url(re.compile(f"run={runs[4].name}"))
    page.go_back()
    expect(page).to_have_url(re.compile(f"run={runs[0].name}"))
    expect(page.locator("#run")).to_have_value(runs[0].name)


def test_the_last_of_fast_choices_wins(visit: Visit) -> None:
    page = visit("?q=0")
    page.evaluate(
        "() => { for (const t of ['results', 'start', 'explore'])"
        " document.querySelector(`[data-tab=${t}]`).click() }"
    )
    wait_for_query(page, 0)
    time.sleep(1)
    expect(page).to_have_url(re.compile("tab=explore"))
    expect(page.locator('[aria-current="page"]')).to_have_text("Explore")


def test_keys_pressed_while_an_answer_is_awaited_are_kept(visit: Visit) -> None:
    page, held = visit("?q=3"), list[Route]()
    expect(page.locator("#waiting")).to_be_hidden()
    page.route("**/run/predict**", lambda route: held.append(route), times=1)
    for _ in range(3):
        page.keyboard.press("]")
    expect(page.locator("#waiting")).to_have_text("Loading …")
    assert len(held) == 1
    held[0].continue_()
    wait_for_query(page, 6)
    expect(page.locator("#waiting")).to_be_hidden()


def test_tabs_show_stored_numbers(visit: Visit, served: Served) -> None:
    page, run = visit(""), served.library.shelves[0].runs[0]
    page.get_by_role("link", name="Results").click()
    cells = page.locator("table.runs tbody tr").first.locator("td")
    expect(cells.first).to_have_text(f"{100 * run.scores['recall@1']:.1f}")
    expect(page.locator(".curves svg")).to_contain_text("Triplet, semi-hard")
    page.go_back()
    expect(page.locator("#start")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_stands_outside_the_screen(visit: Visit, width: str, scheme: str) -> None:
    page = visit("?q=0")
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": WIDTHS[width][0], "height": WIDTHS[width][1]})
    for box in page.locator("#grid .hit, .steps a, .tabs a, #q, #k, #ds, #run, #card h2").all():
        place = box.bounding_box()
        assert place is not None
        assert place["x"] >= 0
        assert place["x"] + place["width"] <= WIDTHS[width][0]
    first = page.locator("#grid .hit").first.bounding_box()
    assert first is not None
    assert first["y"] < WIDTHS[width][1] - 150  # results are seen without scrolling


def test_no_old_picture_under_a_new_frame(visit: Visit) -> None:
    page = visit("?q=3")
    page.wait_for_function("[...document.images].every(i => i.complete && i.naturalWidth)")
    old = page.locator("#grid .hit img").first.screenshot()
    held: list[Route] = []
    page.route("**/picture/**", lambda route: held.append(route))
    page.get_by_role("link", name="Next").click()
    wait_for_query(page, 4)
    time.sleep(0.3)  # the new picture has not come: what is painted must not be the old one
    assert held
    assert page.locator("#grid .hit img").first.screenshot() != old
    for route in held:
        route.continue_()
    page.unroute("**/picture/**")


def test_keys_do_what_their_list_says(visit: Visit) -> None:
    page = visit("?q=5")
    page.keyboard.press("?")
    expect(page.locator("#help")).to_contain_text("previous and next query")
    page.keyboard.press("]")  # not while a dialog is open
    page.keyboard.press("Escape")
    expect(page.locator("#help")).not_to_be_visible()
    hits = page.locator("#grid a.hit")
    hits.first.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft"):
        page.keyboard.press(key)
    expect(hits.nth(1)).to_be_focused()
    page.keyboard.press("z")
    expect(page.locator("#zoom img")).to_be_visible()
    expect(page.locator("#zoom p")).to_contain_text("Rank 2, ")
    page.get_by_role("button", name="Close").click()
    target = int(str(hits.nth(1).get_attribute("data-id")))
    hits.nth(1).focus()
    page.keyboard.press("Enter")
    wait_for_query(page, target)
    page.locator("#page input[type=search]").fill("]r")  # typed, not pressed
    expect(page).to_have_url(re.compile(f"q={target}&"))
    page.keyboard.press("Enter")
    expect(page.locator("#found")).to_contain_text("No class with “]r” in its name")


def test_compare_and_failures_lead_to_queries_that_are_what_they_say(
    visit: Visit, served: Served
) -> None:
    page = visit("?tab=compare")
    page.locator('[data-set="a"]').click()
    expect(page.locator('[data-set="a"][aria-current]')).to_be_visible()  # the page is drawn again
    page.locator("#compare .tiles a").first.click()
    expect(page.locator('[data-side="A"]')).to_contain_text("rank 1: yes")
    page.locator("#compare a.hit").first.focus()
    for key in ("ArrowRight", "ArrowDown", "z"):
        page.keyboard.press(key)
    expect(page.locator("#zoom p")).to_contain_text("B, rank 2, ")
    page.keyboard.press("Escape")
    expect(page.locator('[data-side="B"]')).to_contain_text("rank 1: no")
    page.locator('[data-tab="failures"]').click()
    pair = page.locator(".pairs tbody tr").first
    count = int(pair.locator("td").first.inner_text())
    pair.locator("td").last.click(force=True)  # the whole row is a link
    expect(page.locator("#failures h2")).to_contain_text(" and class <b>")
    expect(page.locator("#failures .tile")).to_have_count(count)
    page.locator("#failures .tile").first.click()
    expect(page.locator("#card")).to_contain_text("Right at rank 1: no")


def test_no_text_is_taken_for_a_program(visit: Visit) -> None:
    """Gradio reads templates in elements; what the address holds must not become one."""
    evil = "${document.body.dataset.run=1}{{this}}<img src=x onerror=document.body.dataset.run=1>"
    page = visit(f"?tab=explore&search={quote(evil)}")
    expect(page.locator("#found h2")).to_have_text(f"No class with “{evil}” in its name")
    expect(page.locator("#page input[type=search]")).to_have_value(evil)
    assert page.locator("body").get_attribute("data-run") is None


def test_the_shown_list_is_saved_as_table_and_as_picture(visit: Visit) -> None:
    page = visit("?q=5&k=4")
    page.wait_for_function("[...document.images].every(i => i.complete && i.naturalWidth)")
    with page.expect_download() as table:
        page.get_by_role("link", name="CSV of the list").click()
    with table.value.path().open() as file:
        assert len(list(csv.DictReader(file))) == 4
    with page.expect_download() as picture:
        page.get_by_role("button", name="PNG of the list").click()
    with Image.open(picture.value.path()) as image:
        assert image.size == (12 + 5 * 124, 154)
        assert len(set(image.convert("L").tobytes())) > 20
