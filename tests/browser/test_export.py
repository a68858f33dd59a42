"""An export in Chromium, from disk and from a server: it shows what the browser shows, and asks
for nothing else."""

import functools
import http.server
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from bench.store.thumbnails import Thumbnails
from demo.export.choice import choose
from demo.export.write import export
from demo.library import Library, open_library
from demo.page import draw
from tests.support import fabricated
from tests.support.fabricated import make_pictures, write_results

pytestmark = pytest.mark.browser

EVIL = "</script><img src=x onerror=document.body.dataset.run=1> \"'`${document.title}` {{x}} & é"
METHOD = "<img src=x onerror=document.body.dataset.run=1> \"'`${1}"
WIDTHS = {"desk": (1280, 800), "phone": (390, 844)}
# The HTML of a tab without what differs: addresses of pictures and of random queries, and what is
# known of other seeds, which the export has from runs that it leaves out.
PLAIN = """html => {
  const page = html ? new DOMParser().parseFromString(html, 'text/html') : document;
  const tab = page.querySelector('.tab').cloneNode(true);
  tab.querySelectorAll('img').forEach(image => image.removeAttribute('src'));
  tab.querySelectorAll('#random, #failure').forEach(link => link.removeAttribute('href'));
  tab.querySelectorAll('[href^="?"]').forEach(link =>
    link.setAttribute('href', '#' + link.getAttribute('href').slice(1)));
  tab.querySelectorAll('[href^="data:"]').forEach(link =>
    link.setAttribute('href', decodeURIComponent(link.getAttribute('href'))));
  tab.querySelectorAll('.map').forEach(map => ['source', 'pictures'].forEach(
    name => delete map.dataset[name]));
  tab.querySelectorAll('[data-flips]').forEach(text => text.remove());
  tab.querySelectorAll('canvas').forEach(canvas => canvas.replaceWith('canvas'));
  return tab.innerHTML.replace(/p-\\d+-(\\d+)>/g, 'p-$1>').replace(/\\s+/g, ' ');
}"""


@dataclass(frozen=True)
class Pages:
    """An export in a folder, and the library that it was made from."""

    folder: Path
    library: Library

    @property
    def address(self) -> str:
        return (self.folder / "index.html").as_uri()


def evil_pictures(dataset: str = "digits") -> Thumbnails:
    stored = make_pictures(dataset)
    names = tuple(f"{label} {EVIL}" for label in range(len(stored.class_names)))
    items = tuple(f"{item} {EVIL}" for item in stored.items)
    return Thumbnails(stored.files, stored.labels, names, items, stored.source)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Pages:
    """Of runs whose classes, files and one method have names that no page must run."""
    folder = tmp_path_factory.mktemp("export # 1")
    methods = {METHOD: "center", **dict(list(fabricated.METHODS.items())[:2])}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fabricated, "make_pictures", evil_pictures)
        patch.setattr(fabricated, "METHODS", methods)
        library = open_library(write_results(folder / "results", ("digits",)))
    export(library, folder / "pages")
    return Pages(folder / "pages", library)


@pytest.fixture
def page(chromium: Browser, pages: Pages) -> Iterator[Page]:
    """A page that fails its test on an error, or on a request for anything but its own files."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    page, wrong = context.new_page(), []
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("console", lambda message: wrong.append(f"{message.type}: {message.text}"))
    page.on("request", lambda request: wrong.append(outside(request.url, pages)))
    yield page
    context.close()
    assert [event for event in wrong if event] == []


def outside(url: str, pages: Pages) -> str:
    own = (pages.folder.as_uri(), "data:", "blob:", "http://127.0.0.1:")
    return "" if url.startswith(own) else f"request to {url}"


def visit(page: Page, address: str) -> None:
    page.goto("about:blank")
    page.goto(address)
    page.wait_for_selector("[data-address]", state="attached")


@pytest.mark.parametrize(
    "parameters",
    [
        {"tab": "explore", "q": 13, "k": 12},
        {"tab": "explore", "q": 47, "k": 3, "show": "wrong", "search": "2 </SCRIPT>"},
        {"tab": "compare", "q": 5, "k": 20},
        {"tab": "compare", "q": 9, "k": 4, "only": "a", "p": 2},
        {"tab": "map", "q": 7, "k": 4, "zoom": 4, "area": "100.100-700.120-800.900-90.600"},
    ],
    ids=str,
)
def test_each_tab_is_that_of_the_browser(
    page: Page, pages: Pages, parameters: dict[str, object]
) -> None:
    library = choose(pages.library, [])
    parameters = {"ds": library.shelves[0].key, "run": library.shelves[0].chosen[1], **parameters}
    visit(page, f"{pages.address}#{urlencode(parameters)}")
    html = draw(library, {name: str(value) for name, value in parameters.items()})
    html = re.sub(r'<p class="notice">A better map.*?</p>', "", html, flags=re.DOTALL)
    shown, expected = page.evaluate(PLAIN, ""), page.evaluate(PLAIN, html)
    assert shown == expected
    assert EVIL.split(" ")[0] in page.inner_text("body")
    assert page.locator("body").get_attribute("data-run") is None


def test_results_are_those_of_all_seeds(page: Page, pages: Pages) -> None:
    visit(page, f"{pages.address}#tab=results")
    scores = pages.library.shelves[0].runs[0].scores
    expect(page.locator("table.means").first).to_contain_text(METHOD)
    rows = page.locator("table.runs tbody tr")
    expect(rows).to_have_count(9)
    expect(rows.first.locator("td").first).to_have_text(f"{100 * scores['recall@1']:.1f}")
    expect(page.locator(".curves svg")).to_contain_text("Proxy-NCA")
    expect(page.locator("table.runs a")).to_have_count(3)  # those that can be browsed
    page.locator("table.runs a").last.click()
    expect(page.locator("#explore")).to_be_visible()


def test_start_leads_to_queries_that_are_what_they_say(page: Page, pages: Pages) -> None:
    visit(page, pages.address)
    expect(page.locator("#start")).to_contain_text("Runs to browse: 3 of 9; methods: 3 of 3")
    page.locator("#start .tile").filter(has_text="Only ").first.click()
    expect(page.locator('[data-side="A"]')).to_contain_text("rank 1: yes")
    expect(page.locator('[data-side="B"]')).to_contain_text("rank 1: no")
    flips = page.locator("[data-flips]")
    expect(flips).to_contain_text(["Between 3 seeds of its method"] * 2)
    page.go_back()
    expect(page.locator("#start")).to_be_visible()
    page.go_forward()
    expect(page.locator("#compare")).to_be_visible()
    page.reload()
    expect(page.locator('[data-side="B"]')).to_contain_text("rank 1: no")


def test_pictures_keys_and_forms_do_what_they_do_in_the_browser(page: Page, pages: Pages) -> None:
    visit(page, f"{pages.address}#tab=explore&q=5&k=4")
    page.wait_for_function("[...document.images].every(i => i.complete && i.naturalWidth === 8)")
    page.keyboard.press("]")
    expect(page.locator('#card .query[data-q="6"]')).to_be_visible()
    page.keyboard.press("f")
    expect(page.locator("#card")).to_contain_text("Right at rank 1: no")
    page.locator("#q").fill("999")
    page.locator("#q").press("Enter")
    expect(page).to_have_url(re.compile("q=47&"))
    expect(page.locator("#q")).to_be_focused()
    page.locator("#grid a.hit").first.focus()
    page.keyboard.press("ArrowRight")
    target = page.locator("#grid a.hit").nth(1).get_attribute("data-id")
    page.keyboard.press("z")
    expect(page.locator("#zoom img")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    expect(page.locator(f'#card .query[data-q="{target}"]')).to_be_visible()
    with page.expect_download() as picture:
        page.get_by_role("button", name="PNG of the list").click()
    with Image.open(picture.value.path()) as image:
        assert image.size == (12 + 5 * 124, 154)
        assert len(set(image.convert("L").tobytes())) > 20
    page.locator("#run").select_option(pages.library.shelves[0].runs[3].name)
    expect(page).to_have_url(re.compile(f"run={pages.library.shelves[0].runs[3].name}"))


def test_a_dot_of_the_map_shows_its_picture_and_becomes_the_query(page: Page, pages: Pages) -> None:
    visit(page, f"{pages.address}#tab=map&q=5")
    x, y = page.evaluate(
        """async () => {
          const [shelf] = EXPORT.shelves, {map} = await openRun(shelf, shelf.first);
          const box = document.querySelector('.map').getBoundingClientRect();
          const at = (value) => box.width / 2 + (value - 65535 / 2) * (box.width - 24) / 65535;
          return [box.left + at(map.places[9]), box.top + at(map.places[48 + 9])];
        }"""
    )
    page.mouse.move(x, y)
    expect(page.locator(".peek")).to_have_text(re.compile("^Image 9: (same|other) class$"))
    expect(page.locator(".peek img")).to_have_attribute("src", re.compile("^data:image/png"))
    page.mouse.down()
    page.mouse.up()
    expect(page.locator('#card .query[data-q="9"]')).to_be_visible()


@pytest.mark.parametrize(("width", "scheme"), [("desk", "light"), ("phone", "dark")])
def test_nothing_lies_outside_the_screen(page: Page, pages: Pages, width: str, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": WIDTHS[width][0], "height": WIDTHS[width][1]})
    for tab in ("start", "explore", "compare", "map", "results"):
        visit(page, f"{pages.address}#tab={tab}&q=3")
        wide = page.eval_on_selector_all(
            ".hit, .tile, .button, input, select, h2, .map, .tabs a, .query p",
            """all => all.filter(element => !element.closest('.scroll, ol.pair, dialog'))
              .map(element => element.getBoundingClientRect())
              .filter(box => box.width && (box.left < 0 || box.right > innerWidth)).length""",
        )
        assert wide == 0
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", colour)[:3])) < 200) == (scheme == "dark")


def test_it_is_served_from_a_folder_of_a_site(page: Page, pages: Pages) -> None:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *arguments: object) -> None:
            """Nothing."""

    handler = functools.partial(Quiet, directory=str(pages.folder.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        visit(page, f"http://127.0.0.1:{server.server_port}/pages/#tab=explore&q=5")
        expect(page.locator("#grid .hit")).to_have_count(20)
        page.wait_for_function("[...document.images].every(i => i.complete && i.naturalWidth)")
        server.shutdown()


def test_a_missing_file_is_named(chromium: Browser, pages: Pages) -> None:
    page = chromium.new_page()
    page.route("**/run-*.js", lambda route: route.abort())
    page.goto(f"{pages.address}#tab=explore")
    missing = re.compile(r"data/0/run-\d.js is missing or cannot be read.")
    expect(page.locator(".problem")).to_have_text(missing)
    page.unroute("**/run-*.js")
    page.goto(f"{pages.address}#tab=explore&q=1")  # the next attempt reads it
    expect(page.locator("#grid .hit")).to_have_count(20)
    page.close()


def test_a_damaged_file_is_named(chromium: Browser, pages: Pages) -> None:
    page = chromium.new_page()
    page.route("**/pictures-*.js", lambda route: route.fulfill(body=""))
    page.goto(f"{pages.address}#tab=explore")
    damaged = "data/0/pictures-0.js is missing or cannot be read."
    expect(page.locator(".problem")).to_have_text(damaged)
    page.close()


def test_numbers_are_rounded_and_sorted_as_python_does(page: Page, pages: Pages) -> None:
    visit(page, pages.address)
    values = [0.0625, 0.1875, -0.0625, 0.5005, 0.25, 1.0, 12.25, 0.9995, 1e-9, 0.0]
    for text in ("%.3f", "%.1f", "%.0f"):
        found = page.evaluate("([f, all]) => all.map((v) => filters.format(f, v))", [text, values])
        assert found == [text % value for value in values]
    generator = np.random.default_rng(0)
    first, second = generator.integers(0, 40, (2, 400)).astype(np.float32) / np.float32(39)
    shown = page.evaluate(
        """([first, second]) => setsOf(...[[first, 1], [second, 2]].map(([values, hit]) => ({
          relevant: first.map(() => 1), first_hit: first.map(() => hit),
          average_precision: Float32Array.from(values)}))).a""",
        [first.tolist(), second.tolist()],
    )
    assert shown == np.argsort(second - first, kind="stable").tolist()


def test_its_policy_refuses_what_it_does_not_need(chromium: Browser, pages: Pages) -> None:
    attempts = {
        "new Image().src = 'http://127.0.0.1:9/x.png'": "img-src",
        "fetch('data/0/run-0.js').catch(() => null)": "connect-src",
        "document.body.setAttribute('onclick', '1'); document.body.click()": "script-src-attr",
    }
    page = chromium.new_page()
    page.goto(pages.address)
    for attempt, directive in attempts.items():
        found = page.evaluate(
            "() => new Promise(done => { document.addEventListener('securitypolicyviolation',"
            f" event => done(event.effectiveDirective), {{once: true}}); {attempt};"
            " setTimeout(() => done('nothing was refused'), 10000) })"
        )
        assert found == directive
    page.close()


def test_a_forged_address_is_no_blank_page(page: Page, pages: Pages) -> None:
    for forged in ("tab=x&ds=x&run=x&q=-1&k=0", "q=1e9&k=99999&__proto__=1", "%%%&tab=toString"):
        visit(page, f"{pages.address}#{forged}")
        expect(page.locator("#q")).to_have_value(re.compile(r"\d+"))
    for key, kind in {"ds": "data set", "run": "run", "other": "run"}.items():
        visit(page, f"{pages.address}#{urlencode({'tab': 'compare', key: EVIL})}")
        expect(page.locator(".notice")).to_contain_text(f"The {kind} {EVIL} of this address is not")
