"""docs/losses.md: up to date with the docstrings, no sign swallowed, every link with a target."""

import inspect
import re
from html import unescape
from itertools import groupby
from pathlib import Path

import pytest

from bench.reporting.documents.losses_page import losses_page, markdown
from bench.reporting.tables import escaped
from bench.suites.arguments import declared_losses
from proxy_core import losses
from proxy_core.losses import LOSSES
from proxy_core.losses.center import center_pull, move_centers
from proxy_core.losses.proxy import proxy_nca

ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def page() -> str:
    return losses_page()


def rendered(text: str) -> str:
    """HTML by rich's own parser of Markdown."""
    parser = pytest.importorskip("markdown_it").MarkdownIt("commonmark").enable("table")
    return str(parser.render(text))


def words(html: str) -> str:
    """What a reader sees, on one line."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def without_spaces(text: str) -> str:
    """Text without backticks and spaces: those at the borders of code and links differ."""
    return re.sub(r"[\s`]", "", text)


def anchor(title: str) -> str:
    """GitHub's anchor of a heading: lower case, hyphens for spaces, no other signs."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def test_the_committed_page_is_up_to_date(page: str) -> None:
    committed = (ROOT / "docs/losses.md").read_text(encoding="utf-8")
    assert committed == page, "docstrings have changed; make the page again: tox -e docs"


def test_markdown_swallows_no_sign_of_any_docstring(page: str) -> None:
    text = without_spaces(words(rendered(page)))
    for source in [losses, *LOSSES.values(), proxy_nca, center_pull, move_centers]:
        for paragraph in re.split(r"\n\n(?:- )?|\n- ", inspect.getdoc(source) or ""):
            assert without_spaces(paragraph) in text, (source, paragraph)


def test_every_link_has_a_target(page: str) -> None:
    html = rendered(page)
    headings = [words(found) for found in re.findall(r"<h\d>(.*?)</h\d>", html)]
    anchors = [anchor(heading) for heading in headings]
    assert len(set(anchors)) == len(anchors)
    assert set(LOSSES) < set(headings)
    targets = re.findall(r'<a href="([^"]*)"', html)
    for target in targets:
        if target.startswith("../"):
            assert (ROOT / "docs" / target).is_file()
        elif target.startswith("#"):
            assert target[1:] in anchors
        else:
            assert re.fullmatch(r"https://[^\s]*[\w/]", target)
    assert {loss.paper for loss in declared_losses().values()} < set(targets)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_has_its_hyper_parameters_with_their_ranges(name: str, page: str) -> None:
    section = page.split(f"\n### `{name}`\n")[1].split("\n## ")[0].split("\n### ")[0]
    for line in declared_losses()[name].defaults:
        assert f"\n{line}\n" in section


def test_the_readme_lists_every_loss_beside_its_family(page: str) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    for title, family in groupby(declared_losses().items(), key=lambda item: item[1].title):
        assert f"\n## {title}\n" in page
        (line,) = [line for line in readme if f"](docs/losses.md#{anchor(title)})" in line]
        assert re.findall(r"`(\w+)`", line) == [name for name, _ in family]


def test_signs_lists_and_links() -> None:
    assert escaped("a*b_c|d<e>[f]#~$&") == r"a\*b\_c\|d\<e\>\[f\]\#\~\$\&"
    assert markdown("`a_b`\n+ s_t (see https://x.org/a_b).") == (
        "`a_b`\n\\+ s\\_t (see <https://x.org/a_b>)."
    )
    assert markdown("a:\n\n- b\n  c") == "a:\n\n- b\n  c"
    assert "<p>1 &lt; 2 &amp;lt; *x* ~y~ $z$</p>" in rendered(markdown("1 < 2 &lt; *x* ~y~ $z$"))
