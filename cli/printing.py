"""How does a command speak? Results on stdout, remarks on stderr, JSON when asked: pipes get nothing but results."""

import json
import sys
import unicodedata
from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Final

import typer

__all__ = ["aligned", "complain", "dollar_column", "print_json", "print_json_line", "print_table", "remark", "say"]

_GAP: Final = "  "
_CENTS: Final = 2


def say(text: str) -> None:
    """A result, or a part of one."""
    typer.echo(text)


def remark(text: str) -> None:
    """What a person wants to know and a pipe does not."""
    typer.secho(text, err=True, dim=True)


def complain(text: str) -> None:
    """An error in one sentence; those of several lines keep them."""
    for line in text.splitlines() or [""]:
        typer.secho(f"sluice: {line}", err=True, fg="red")


def print_json(value: object) -> None:
    """One document; a moment or an exact amount is written as text."""
    sys.stdout.write(json.dumps(value, indent=2, default=str, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def print_json_line(value: object) -> None:
    """One line of many, out at once: the reader may be waiting for it."""
    sys.stdout.write(json.dumps(value, default=str, ensure_ascii=False, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[str] = ()) -> None:
    """Columns whose heading is in `right` stand on the right, as figures do."""
    lines = aligned([headings, *rows], {at for at, heading in enumerate(headings) if heading in right})
    typer.secho(lines[0], bold=True)
    for line in lines[1:]:
        typer.echo(line)


def aligned(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """Columns as wide as their widest cell, without rules: what one line says can be found with grep and awk."""
    count = max((len(row) for row in rows), default=0)
    widths = [max((_cells(row[at]) for row in rows if at < len(row)), default=0) for at in range(count)]
    return [
        _GAP.join(_padded(cell, widths[at], before=at in right) for at, cell in enumerate(row)).rstrip() for row in rows
    ]


def dollar_column(amounts: Sequence[Decimal]) -> list[str]:
    """Exact amounts, all with as many digits as the most exact of them needs, so that their points stand in line."""
    places = max((_places(amount) for amount in amounts), default=_CENTS)
    return [f"{'-' if amount < 0 else ''}${abs(amount):,.{places}f}" for amount in amounts]


def _places(amount: Decimal) -> int:
    exponent = amount.normalize().as_tuple().exponent
    return max(_CENTS, -exponent if isinstance(exponent, int) else 0)


def _cells(text: str) -> int:
    """How many places of a terminal the text takes: an East Asian character takes two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _padded(text: str, width: int, *, before: bool) -> str:
    blank = " " * (width - _cells(text))
    return blank + text if before else text + blank
