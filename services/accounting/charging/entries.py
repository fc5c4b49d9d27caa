"""What goes into the ledger for an attempt? The event as it came, and what it cost by which prices."""

from typing import NamedTuple

from services.accounting.charging.cost import cost
from services.accounting.charging.prices import PriceBook
from shared.contracts import AttemptFinished
from shared.money import Nanodollars

__all__ = ["Entry", "enter"]


class Entry(NamedTuple):
    event: AttemptFinished
    cost: Nanodollars | None
    """None: no price is known. It must never be taken for zero."""
    price_version: str


def enter(event: AttemptFinished, book: PriceBook) -> Entry:
    """Prices are looked up by the id the provider was asked for and the moment the call was made."""
    quote = book.quote(event.provider, event.upstream_model, event.started_at)
    return Entry(event, cost(event.usage, quote.prices), quote.version)
