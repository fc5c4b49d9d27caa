"""What did new prices change? Sums by model, for people and for programs."""

from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass
from typing import Final

from cli.printing import dollar_column
from services.accounting.ledger.repricing import Change
from shared.money import Nanodollars, dollars

__all__ = ["FIGURES", "HEADINGS", "PriceSum", "fields", "summed", "table_rows"]

HEADINGS: Final = ("PROVIDER", "MODEL", "CALLS", "UNPRICED", "BEFORE", "AFTER")
FIGURES: Final = HEADINGS[2:]


@dataclass(slots=True)
class PriceSum:
    provider: str
    model: str
    calls: int = 0
    unpriced: int = 0
    """Of these, so many had no price."""
    before: Nanodollars = Nanodollars(0)
    after: Nanodollars = Nanodollars(0)

    def add(self, change: Change) -> None:
        self.calls += 1
        self.unpriced += change.cost_before_nanodollars is None
        self.before = Nanodollars(self.before + (change.cost_before_nanodollars or 0))
        self.after = Nanodollars(self.after + change.cost_after_nanodollars)


async def summed(pages: AsyncIterable[Sequence[Change]]) -> Sequence[PriceSum]:
    sums: dict[tuple[str, str], PriceSum] = {}
    async for page in pages:
        for change in page:
            place = (change.provider, change.upstream_model)
            sums.setdefault(place, PriceSum(*place)).add(change)
    return [sums[place] for place in sorted(sums)]


def table_rows(sums: Sequence[PriceSum]) -> list[tuple[str, ...]]:
    amounts = dollar_column([dollars(each) for one in sums for each in (one.before, one.after)])
    return [
        (one.provider, one.model, f"{one.calls:,}", f"{one.unpriced:,}", amounts[2 * at], amounts[2 * at + 1])
        for at, one in enumerate(sums)
    ]


def fields(one: PriceSum) -> dict[str, str | int]:
    return {
        "provider": one.provider,
        "model": one.model,
        "calls": one.calls,
        "unpriced_before": one.unpriced,
        "before_nanodollars": one.before,
        "after_nanodollars": one.after,
    }
