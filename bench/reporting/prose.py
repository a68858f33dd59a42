"""Docstrings and names, which are plain text with `code` in backticks, as Markdown."""

import re

ADDRESS = r"https?://[^\s)]*[^\s).,:;]"


def escaped(text: str) -> str:
    """Text in which GitHub's Markdown prints every sign as it is, except at the start of a line."""
    return re.sub(r"([\\|<>*_`\[\]#~$&])", r"\\\1", text)


def markdown(docstring: str) -> str:
    """A docstring as Markdown that reads the same: paragraphs, lists ("- item"), code, links."""
    parts = re.split(rf"(`[^`]+`|{ADDRESS})", docstring)
    text = "".join(
        f"<{part}>" if part.startswith("http") else part if part.startswith("`") else escaped(part)
        for part in parts
    )
    return re.sub(r"^\+ ", r"\\+ ", text, flags=re.MULTILINE)  # a sum and not a list
