"""Every tab in a real Chromium: axe-core finds nothing in it, no name in it runs, and it fits."""

from collections.abc import Iterator
from importlib.resources import files
from typing import Any, Literal

import pytest
from playwright.sync_api import Page

from demo.view import TABS
from tests.browser.conftest import RECORDING, Served, free_port, serve
from tests.support.awkward import NAMES, write_awkward_results

pytestmark = [pytest.mark.browser, pytest.mark.slow]
AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
WITH_FOLDER = f"""
import demo.opened
from tests.support.awkward import awkward_folder
demo.opened.open_folder = lambda run, place: awkward_folder(place)
{RECORDING}
"""
# What each tab shows beside what it opens with.
STATES = {
    "explore": "&search=a&show=wrong",
    "failures": "&sort=low",
    "map": "&zoom=2&area=0.0-999.0-999.999-0.999",
    "time": "&at=1",
}
# Things that are wider than the screen, unless something around them scrolls.
TOO_WIDE = """
() => [...document.querySelectorAll('#page *')].filter((one) => {
  for (let box = one.parentElement; box.id !== 'page'; box = box.parentElement)
    if (getComputedStyle(box).overflowX !== 'visible') return false;
  const {left, right, width} = one.getBoundingClientRect();
  return width && (left < -1 || right > innerWidth + 1);
}).map((one) => one.outerHTML.slice(0, 120))
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("awkward")
    results = write_awkward_results(folder / "results")
    run = next(results.glob("runs/*proxy-nca-s0*")).name
    options = ("--images", "images", "--run", run)
    demo = serve(results, folder / "log", free_port(), *options, program=WITH_FOLDER)
    yield demo
    demo.stop()


@pytest.mark.parametrize("tab", TABS)
def test_a_tab_is_accessible_runs_no_name_and_fits(page: Page, served: Served, tab: str) -> None:
    open_tab(page, served, tab, 390, "dark")
    assert violations(page) == []
    assert page.evaluate(TOO_WIDE) == []
    assert page.evaluate("document.body.dataset.run") is None
    assert page.locator("#page :is(script, [onerror])").count() == 0
    if tab == "folder":
        shown = " ".join(page.locator("#page [title]").evaluate_all("all => all.map(a => a.title)"))
        assert all(name in shown for name in NAMES)


@pytest.mark.slow
@pytest.mark.parametrize("tab", TABS)
@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "light"), (1280, "dark")])
def test_a_tab_is_accessible_at_other_widths_and_in_the_light(
    page: Page, served: Served, tab: str, width: int, scheme: Literal["light", "dark"]
) -> None:
    open_tab(page, served, tab, width, scheme)
    assert violations(page) == []


def open_tab(
    page: Page, served: Served, tab: str, width: int, scheme: Literal["light", "dark"]
) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{served.address}?tab={tab}&q=3{STATES.get(tab, '')}")
    page.wait_for_selector(f"section#{tab}", timeout=120_000)
    page.wait_for_function("[...document.images].every(i => i.complete)")
    assert page.evaluate("document.body.classList.contains('dark')") == (scheme == "dark")


def violations(page: Page) -> list[str]:
    """What axe-core finds in the whole page, each with its first element."""
    page.evaluate(AXE)
    found: list[dict[str, Any]] = page.evaluate("axe.run().then((found) => found.violations)")
    return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found]
