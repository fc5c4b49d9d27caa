"""What does a month come to? A table of what calls cost, what is billed for them, and what the providers say. Pure."""

from collections.abc import Sequence
from typing import Final

from cli.printing import dollar_column
from cli.spending.forms import total
from services.accounting.ledger.reports import Grouping, UsageLine
from shared.money import Nanodollars, dollars

__all__ = ["FIGURES", "headings", "table_rows"]

FIGURES: Final = ("JOBS", "CALLS", "TOKENS", "COST", "BILLED", "PROVIDERS SAY", "UNPRICED")


def headings(by: Sequence[Grouping]) -> tuple[str, ...]:
    return (*(dimension.value.upper() for dimension in by), *FIGURES)


def table_rows(by: Sequence[Grouping], lines: Sequence[UsageLine]) -> list[tuple[str, ...]]:
    """A row for each line, and their total below. What the providers say is only of calls of which they say it."""
    shown = [*lines, total(by, lines)]
    costs, bills, said = (
        dollar_column([dollars(each) for each in column])
        for column in zip(*((line.cost, line.billed, line.provider_cost) for line in shown), strict=True)
    )
    return [
        (
            *(value or "-" for value in line.group),
            f"{line.jobs:,}",
            f"{line.attempts:,}",
            f"{line.tokens.total:,}",
            _at_least(line, costs[at]),
            _at_least(line, bills[at]),
            said[at] if line.provider_cost != Nanodollars(0) else "-",
            f"{line.unpriced_tokens:,} tokens" if line.unpriced_tokens else "-",
        )
        for at, line in enumerate(shown)
    ]


def _at_least(line: UsageLine, amount: str) -> str:
    return f">= {amount}" if line.unpriced_tokens else amount
