"""Appearance and behaviour that Gradio does not bring: the files in `static`, and short scripts."""

from importlib.resources import files


def static(name: str) -> str:
    """Text of a file in `static`."""
    return files("demo").joinpath("static", name).read_text(encoding="utf-8")


PUSH = """(address) => {
  if (address && address !== location.search) history.pushState(null, '', address);
}"""
REPLACE = "(address) => { history.replaceState(null, '', address); }"
# The picked picture is above the grid: bring it into view where the screen is small.
REVEAL = "() => document.querySelector('#card')?.scrollIntoView({block: 'nearest'})"


def head() -> str:
    """Styles and scripts; as Gradio's `css`, every rule would get a prefix, which changes which
    rule wins."""
    return f"<style>{static('page.css')}</style><script>{static('combobox.js')}</script>"
