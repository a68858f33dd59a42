"""docs/losses.md: as the docstrings say it, nothing swallowed, every link with a place to go."""

import inspect
import re
from html import unescape
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from bench.reporting.catalogue import (
    Family,
    families,
    formulas,
    link,
    settings,
    shape,
    state,
    summary,
)
from bench.reporting.losses_page import anchor, losses_page, signature
from bench.reporting.prose import escaped, labelled, paragraphs, prose, row
from proxy_core import losses
from proxy_core.losses import LOSSES
from proxy_core.losses.center import center_pull, move_centers
from proxy_core.losses.proxy import proxy_nca
from proxy_core.losses.soft_triple import center_spread, soft_triple

PAGE = Path(__file__).parents[3] / "docs" / "losses.md"


@pytest.fixture(scope="module")
def page() -> str:
    return losses_page()


def rendered(markdown: str) -> str:
    """HTML by rich's own parser of Markdown."""
    parser = pytest.importorskip("markdown_it").MarkdownIt("commonmark").enable("table")
    return str(parser.render(markdown))


def words(html: str) -> str:
    """What a reader sees, on one line."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def seen(docstring: str) -> str:
    """What a reader should see of a docstring; spaces at the borders of code and links differ."""
    return re.sub(r"\s", "", docstring.replace("`", ""))


def test_the_committed_page_is_what_the_docstrings_say(page: str) -> None:
    committed = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    assert committed == page, "docstrings have changed; make the page anew: tox -e docs"


def test_markdown_swallows_no_sign_of_any_docstring(page: str) -> None:
    text = seen(words(rendered(page)))
    sources = [losses, *LOSSES.values()]
    sources += [function for loss in LOSSES.values() for function in formulas(loss)]
    for source in sources:
        for paragraph in paragraphs(inspect.getdoc(source) or ""):
            assert seen(paragraph.removeprefix("- ")) in text, (source, paragraph)


def test_every_link_has_a_place_to_go(page: str) -> None:
    html = rendered(page)
    headings = [words(found) for found in re.findall(r"<h\d>(.*?)</h\d>", html)]
    anchors = [anchor(heading) for heading in headings]
    assert len(set(anchors)) == len(anchors)
    assert set(LOSSES) < set(headings)
    targets = re.findall(r'<a href="([^"]*)"', html)
    for target in targets:
        if target.startswith("../"):
            assert (PAGE.parent / target).is_file()
        elif target.startswith("#"):
            assert target[1:] in anchors
        else:
            assert re.fullmatch(r"https://[^\s]*[\w/]", target)
    assert {f"#{name}" for name in LOSSES} < set(targets)
    assert {link(loss) for loss in LOSSES.values()} < set(targets)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_has_formula_source_and_settings(name: str, page: str) -> None:
    loss = LOSSES[name]
    section = page.split(f"\n### `{name}`\n")[1].split("\n## ")[0].split("\n### ")[0]
    assert formulas(loss)
    for function in formulas(loss):
        assert f"Formula (`{function.__name__}`):" in section
    assert link(loss).startswith("https://")
    assert summary(loss).endswith(".")
    assert signature(loss) in section
    for item in settings(loss):
        assert f"`{item.replace(' = ', '=')}`" in page


def test_the_readme_names_every_loss_beside_its_family() -> None:
    lines = (PAGE.parent.parent / "README.md").read_text(encoding="utf-8").splitlines()
    for family in families():
        link = f"](docs/losses.md#{anchor(family.title)})"
        (line,) = [line for line in lines if link in line]
        assert re.findall(r"`(\w+)`", line) == list(family.losses)


def test_formulas_are_the_functions_that_forward_names() -> None:
    assert formulas(LOSSES["proxy_nca"]) == [proxy_nca]
    assert formulas(LOSSES["center"]) == [center_pull, move_centers]
    assert formulas(LOSSES["soft_triple"]) == [soft_triple, center_spread]


class Indirect(nn.Module):
    """A loss that picks its formula from a table, in a method of its own."""

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return self.total(embeddings, labels)

    def total(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        parts = [RULES[rule](embeddings, labels, embeddings) for rule in RULES]
        return torch.stack([*parts, *map(lambda x: x + move_centers.__name__, [])]).sum()


RULES = {"pull": center_pull}


def test_formulas_are_found_through_methods_tables_and_inner_functions() -> None:
    assert formulas(Indirect) == [center_pull, move_centers]


def test_what_is_learned_comes_from_an_instance() -> None:
    assert state(LOSSES["proxy_nca"]) == ({"proxies": "(C, D)"}, {})
    heads = {"head.weight": "(C, D)", "head.bias": "(C,)"}
    assert state(LOSSES["center"]) == (heads, {"centers": "(C, D)"})
    assert state(LOSSES["soft_triple"])[0] == {"centers": "(C, centers_per_class, D)"}
    assert state(LOSSES["triplet"]) == ({}, {})
    assert state(LOSSES["margin"])[1] == {"draws.seed": "one number", "draws.step": "one number"}
    assert shape(torch.zeros(()), {}) == "one number"
    assert shape(torch.zeros(7, 3), {3: "D"}) == "(7, D)"


def test_a_family_is_named_by_its_module() -> None:
    found = families()
    assert sorted(name for family in found for name in family.losses) == sorted(LOSSES)
    assert found[0].title == "Proxy-NCA"
    assert found[0].introduction.startswith("Learned vectors stand for the images")
    plain = Family("x", "Triplet loss over triplets.\n\nMore: so.", {})
    assert (plain.title, plain.introduction) == ("Triplet loss over triplets", "More: so.")


def test_settings_are_as_a_suite_writes_them() -> None:
    assert settings(LOSSES["contrastive"]) == ["margin = 1.0"]
    assert settings(LOSSES["triplet"])[0] == "margin = 0.2"
    assert settings(LOSSES["triplet"])[2] == 'surrogate = "margin"  # or "nca"'
    assert settings(LOSSES["center"])[0] == "weight = 0.003"


def test_signs_links_and_labels() -> None:
    assert escaped("a*b_c|d<e>[f]#~$&") == r"a\*b\_c\|d\<e\>\[f\]\#\~\$\&"
    assert paragraphs("a\n b\n\n  c\n- d\n e\n- f") == ["a b", "c", "- d e", "- f"]
    assert prose("+ s (see https://x.org/a_b).", {}) == r"\+ s (see <https://x.org/a_b>)."
    assert prose("`A` and `b_c`", {"A": "#a"}) == "[`A`](#a) and `b_c`"
    assert labelled("Call: it", {}) == "**Call:** it"
    assert prose("Call: it", {}) == "Call: it"
    assert row([r"a \| b", "`c|d`"]) == r"| a \| b | `c\|d` |"
    assert "<p>1 &lt; 2 &amp;lt; *x* ~y~ $z$</p>" in rendered(prose("1 < 2 &lt; *x* ~y~ $z$", {}))


def test_a_long_signature_is_broken_as_a_formatter_would() -> None:
    assert signature(LOSSES["contrastive"]) == (
        "Contrastive(num_classes: int, embedding_dim: int, *, margin: float = 1.0)"
    )
    assert signature(LOSSES["soft_triple"]).startswith(
        "SoftTriple(\n    num_classes: int,\n    embedding_dim: int,\n    *,\n    scale: float"
    )
