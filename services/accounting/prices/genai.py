"""What does the public price book say? The genai-prices package, as a `PriceBook`.

Its own lookup takes about 50 microseconds, so what it knows of a model is read once and kept: a few quotes with the
times at which they hold (prices change by date, some by the hour of the day). The data is what the installed package
carries and is never updated behind our back: a ledger must be able to say which prices it used.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from importlib.metadata import version
from typing import NamedTuple

from genai_prices.data_snapshot import DataSnapshot, get_snapshot
from genai_prices.types import ModelPrice, StartDateConstraint, TieredPrices, TimeOfDateConstraint

from services.accounting.charging import Prices, Quote, Rate

__all__ = ["GenaiPrices"]


class _Offer(NamedTuple):
    holds: StartDateConstraint | TimeOfDateConstraint | None
    """None: always."""
    quote: Quote


class GenaiPrices:
    def __init__(self, names: Mapping[str, str], snapshot: DataSnapshot | None = None) -> None:
        """`names` gives a provider's name in the book where it is not the one in `sluice.yaml`."""
        self._names = names
        self._snapshot = snapshot or get_snapshot()
        self._version = f"genai-prices {version('genai-prices')}"
        self._offers: dict[tuple[str, str], tuple[_Offer, ...]] = {}

    def quote(self, provider: str, model: str, at: datetime) -> Quote:
        offers = self._offers.get((provider, model))
        if offers is None:
            offers = self._offers[provider, model] = self._look_up(self._names.get(provider, provider), model)
        for offer in offers:
            if offer.holds is None or offer.holds.active(at):
                return offer.quote
        return offers[-1].quote

    def _look_up(self, provider: str, model: str) -> tuple[_Offer, ...]:
        """Never empty. The first that holds is right, the last when none does: the order the package itself goes by."""
        try:
            _, found = self._snapshot.find_provider_model(model, None, provider, None)
        except LookupError:
            return (_Offer(None, Quote(self._version, None)),)
        if isinstance(found.prices, ModelPrice):
            return (_Offer(None, self._quote(found.prices)),)
        offers = tuple(_Offer(price.constraint, self._quote(price.prices)) for price in reversed(found.prices))
        return offers or (_Offer(None, Quote(self._version, None)),)

    def _quote(self, price: ModelPrice) -> Quote:
        """Where the book has no rate for the cache, its tokens are input like any other."""
        uncached = _rate(price.input_mtok)
        prices = Prices(
            uncached_input=uncached,
            cache_write=_rate(price.cache_write_mtok) or uncached,
            cache_read=_rate(price.cache_read_mtok) or uncached,
            output=_rate(price.output_mtok),
            reasoning=_rate(price.output_reasoning_mtok),
        )
        return Quote(self._version, prices)


def _rate(price: Decimal | TieredPrices | None) -> Rate | None:
    if price is None:
        return None
    if isinstance(price, TieredPrices):
        return Rate.of(price.base, [(tier.start, tier.price) for tier in price.tiers])
    return Rate.of(price)
