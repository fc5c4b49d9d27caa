"""Does a tenant's book in Redis say what the ledger says? Pure: both are read elsewhere."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from services.accounting.budget_ports import Figure
from shared.budgets import Held

__all__ = ["Book", "Disagreement", "disagreements"]


@dataclass(frozen=True, slots=True)
class Book:
    is_open: bool
    spent: Mapping[str, int]
    """By window, as all of these."""
    revisions: Mapping[str, int]
    held: Mapping[str, int]
    holds: Mapping[str, Held]
    """By job."""


@dataclass(frozen=True, slots=True)
class Disagreement:
    between: str
    window: str
    first: int
    second: int


def disagreements(figures: Sequence[Figure], book: Book) -> Iterator[Disagreement]:
    """`figures` are the ledger's, read after the book, which may be behind. One that is not open says nothing."""
    if not book.is_open:
        return
    for figure in figures:
        known = book.revisions.get(figure.window)
        if known is not None and known == figure.revision and book.spent[figure.window] != figure.spent_nanodollars:
            yield Disagreement(
                "budget_spend, book in Redis", figure.window, figure.spent_nanodollars, book.spent[figure.window]
            )
    sums: dict[str, int] = {}
    for held in book.holds.values():
        for window in held.windows:
            sums[window] = sums.get(window, 0) + held.nanodollars
    for window in sorted(sums.keys() | book.held.keys()):
        told, really = book.held.get(window, 0), sums.get(window, 0)
        if told != really:
            yield Disagreement("book in Redis, its holds", window, told, really)
