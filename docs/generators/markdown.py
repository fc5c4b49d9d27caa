"""How does a reference page look? Tables, headings, and the places in handwritten pages that are filled in."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

__all__ = ["NOTICE", "code", "codes", "filled", "sentence", "table"]

NOTICE: Final = "<!-- Made from the code by `make docs`. Edit the code instead. -->"

_BEGIN: Final = "<!-- made by `make docs`: {} -->\n"
_END: Final = "<!-- end of {} -->"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [_row(headings), _row(["---"] * len(headings)), *map(_row, rows)]
    return "\n".join(lines)


def code(text: str) -> str:
    return f"`{text}`"


def codes(texts: Iterable[str]) -> str:
    return ", ".join(map(code, texts))


def sentence(docstring: str | None) -> str:
    """A docstring on one line, as it stands in a table."""
    return " ".join((docstring or "").split())


def filled(page: str, name: str, content: str) -> str:
    """The page with its place of that name filled. Raises ValueError when the page has no such place, or two."""
    begin, end = _BEGIN.format(name), _END.format(name)
    place = re.compile(f"(?<={re.escape(begin)}).*?(?={re.escape(end)})", re.DOTALL)
    text, found = place.subn(lambda _: f"\n{content}\n\n", page)
    if found != 1:
        raise ValueError(f"expected one place for {name!r}, found {found}")
    return text


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(_cell, cells)) + " |"


def _cell(text: str) -> str:
    """A bar would end the cell; an angle bracket outside of code would be taken for HTML."""
    pieces = text.replace("|", "\\|").split("`")
    return "`".join(piece if place % 2 else piece.replace("<", "&lt;") for place, piece in enumerate(pieces))
