"""Which prices count now? A price book that can be exchanged under those who read it."""

from datetime import datetime

from shared.prices.quotes import PriceBook, Quote

__all__ = ["CurrentPrices"]


class CurrentPrices:
    """`PriceBook`."""

    def __init__(self, book: PriceBook) -> None:
        self._book = book

    def take(self, book: PriceBook) -> None:
        """For whatever is priced from now on."""
        self._book = book

    def quote(self, provider: str, model: str, at: datetime, tier: str | None = None) -> Quote:
        return self._book.quote(provider, model, at, tier)
