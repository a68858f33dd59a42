"""Map and Time in a real Chromium: pictures at dots, lists of dots, steps and play."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from bench.store.runs import Run
from demo.library import open_library
from demo.maps import run_number
from tests.browser.conftest import Served, console_error, free_port, outside, serve
from tests.support.fabricated import make_spec, write_results
from tests.support.histories import STEPS, write_history

pytestmark = pytest.mark.browser
Visit = Callable[[str], Page]
PLACE = """(box, n) => {
  const [count, side] = [Number(box.dataset.count), box.clientWidth - 24];
  return fetch(box.dataset.source).then(a => a.arrayBuffer()).then(bytes => {
    const all = new Uint16Array(bytes, 0, 2 * count);
    return [12 + all[n] * side / 65535, 12 + all[count + n] * side / 65535];
  });
}"""


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A demo over runs of which two kept steps of their training."""
    folder = tmp_path_factory.mktemp("kept")
    results = write_results(folder / "results", ("digits",))
    for seed in range(2):
        write_history(results, make_spec("digits", "Proxy-NCA", seed))
    demo = serve(results, folder / "log", free_port())
    yield replace(demo, library=open_library(results))
    demo.stop()


@pytest.fixture
def open_page(context: BrowserContext, kept: Served) -> Iterator[Visit]:
    """Open an address; any error and any request to elsewhere fails the test."""
    page, wrong = context.new_page(), list[str]()
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("console", lambda message: wrong.append(console_error(message.type, message.text)))
    page.on("request", lambda request: wrong.append(outside(request.url, kept.address)))

    def go(query: str) -> Page:
        page.goto(kept.address + query)
        page.wait_for_selector("[data-address]", state="attached", timeout=120_000)
        return page

    yield go
    assert [event for event in wrong if event] == []


def test_a_dot_shows_its_picture_becomes_the_query_and_a_line_lists_dots(open_page: Visit) -> None:
    page = open_page("?tab=map&q=3")
    box = page.locator("#map .map")
    expect(box).to_have_attribute("data-query", "3")
    x, y = box.evaluate(PLACE, 20)
    canvas = box.locator("canvas")
    expect(canvas).to_have_js_property("width", box.evaluate("box => box.clientWidth"))
    canvas.hover(position={"x": x, "y": y})
    shown = box.locator(".peek")
    expect(shown).to_be_visible()
    number = int(re.findall(r"Image (\d+): (?:same|other) class", shown.inner_text())[0])
    assert f"/{number}" in str(shown.locator("img").get_attribute("src"))
    canvas.click(position={"x": x, "y": y})
    expect(page.locator(f'#card .query[data-q="{number}"]')).to_have_count(1)
    expect(page).to_have_url(re.compile(rf"[?&]q={number}&"))
    left = canvas.bounding_box()
    assert left is not None
    corners = [(4, 4), (left["width"] - 4, 4), (left["width"] - 4, left["height"] - 4), (4, 300)]
    page.mouse.move(left["x"] + 4, left["y"] + 4)
    page.mouse.down()
    for px, py in corners:
        page.mouse.move(left["x"] + px, left["y"] + py)
    page.mouse.up()
    expect(page.locator("#chosen h2")).to_contain_text("within the line")
    assert page.locator("#chosen .strip a").count() > 5
    page.reload()
    expect(page.locator("#chosen h2")).to_contain_text("within the line")
    page.get_by_role("link", name="Remove the line").click()
    expect(page.locator("#chosen")).to_have_count(0)


DRAWN = "box => box.querySelector('canvas').toDataURL()"


def drawn(page: Page) -> str:
    """The first map of the page, as a picture, once it is as wide as its box."""
    box = page.locator(".map").first
    width = box.evaluate("box => box.clientWidth")
    expect(box.locator("canvas")).to_have_js_property("width", width)
    return str(box.evaluate(DRAWN))


def test_points_that_come_late_are_not_drawn_into_another_map(
    open_page: Visit, context: BrowserContext, kept: Served
) -> None:
    first, second = (run.name for run in with_history(kept))
    held: list[Route] = []
    of_first = re.compile(rf"/points/0/\d+/{run_number(first)}/")
    context.route(of_first, lambda route: held.append(route))
    page = open_page(f"?tab=map&run={first}&q=5")
    page.wait_for_function("() => document.querySelector('.map')")
    page.locator("select[name=run]").select_option(second)
    box = page.locator(".map")
    expect(box).to_have_attribute("data-source", re.compile(str(run_number(second))))
    shown = drawn(page)
    with page.expect_response(of_first):
        held[0].continue_()
    page.wait_for_timeout(300)
    assert drawn(page) == shown
    page.locator("select[name=run]").select_option(first)  # whose points are here by now
    expect(box).to_have_attribute("data-source", re.compile(str(run_number(first))))
    assert drawn(page) != shown


def test_points_that_are_not_found_leave_no_other_map(
    context: BrowserContext, kept: Served
) -> None:
    first, second = (run.name for run in with_history(kept))
    page = context.new_page()
    page.route(f"**/{run_number(second)}/*", lambda route: route.fulfill(status=404))
    page.goto(f"{kept.address}?tab=map&run={first}")
    page.wait_for_selector(".map")
    drawn(page)
    page.locator("select[name=run]").select_option(second)
    expect(page.locator(".map .lost")).to_contain_text("were not found; load the page again")
    expect(page.locator(".map canvas")).to_have_js_property("width", 0)
    page.locator("select[name=run]").select_option(first)
    expect(page.locator(".map .lost")).to_be_empty()
    drawn(page)


def test_a_map_that_moves_does_not_overwrite_the_next_one(open_page: Visit, kept: Served) -> None:
    page = open_page(f"?tab=time&run={with_history(kept)[0].name}&vq=33&at=0")
    drawn(page)
    page.evaluate(
        "() => { const real = requestAnimationFrame.bind(window); window.late = [];"
        "window.requestAnimationFrame = f => f.name === 'frame' ? late.push(f) : real(f); }"
    )
    page.keyboard.press(".")
    page.wait_for_function("() => late.length")
    page.locator("section.side .hits a.hit").first.click()
    expect(page.locator("section.query")).not_to_have_attribute("data-vq", "33")
    shown = drawn(page)
    page.evaluate("() => late.splice(0).forEach(frame => frame(performance.now()))")
    assert drawn(page) == shown


def test_steps_are_in_the_address_and_play_ends_at_the_last(open_page: Visit, kept: Served) -> None:
    first, second = with_history(kept)
    page = open_page(f"?tab=time&run={first.name}&other={second.name}&vq=33&at=0")
    sides = page.locator("section.side")
    expect(sides).to_have_count(2)
    history = first.history
    assert history is not None
    for place, step in enumerate(STEPS):
        expect(sides.first).to_have_attribute("data-step", str(step))
        expect(sides.nth(1)).to_have_attribute("data-step", str(step))
        rank = int(history["first_hit"][place, 33])
        expect(sides.first).to_have_attribute("data-first", str(rank))
        expect(page.locator("#at")).to_have_value(str(place))
        if place + 1 < len(STEPS):
            page.keyboard.press(".")
    page.locator("#at").press("Home")
    expect(sides.first).to_have_attribute("data-step", "0")
    expect(page).to_have_url(re.compile("[?&]at=0"))
    page.get_by_role("button", name="Play").click()
    expect(sides.first).to_have_attribute("data-step", "100")
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    page.locator("#learnt tbody a").first.click()
    expect(page.locator("section.query")).not_to_have_attribute("data-vq", "33")


def with_history(kept: Served) -> list[Run]:
    return [run for run in kept.library.shelves[0].runs if run.keeps_history]


@pytest.mark.parametrize("tab", ["map", "time"])
def test_nothing_lies_outside_a_phone(
    open_page: Visit, context: BrowserContext, kept: Served, tab: str
) -> None:
    page = open_page(f"?tab={tab}&run={with_history(kept)[0].name}")
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_selector(f"#{tab} .map canvas")
    widest = page.eval_on_selector_all(
        f"#{tab} :is(.hit, .map, .button, input, figure, p, section)",
        "all => Math.max(...all.map(one => one.getBoundingClientRect().right))",
    )
    assert widest <= 390
