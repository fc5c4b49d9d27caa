"""Which price did the operator set? Their own prices, from `sluice.yaml`, go before those of the public book."""

import hashlib
from collections.abc import Sequence
from datetime import datetime

from services.accounting.charging.prices import PriceBook, Prices, Quote, Rate
from shared.config.schema import PriceOverride

__all__ = ["OwnPrices"]


class OwnPrices:
    """A price book before another: the exact model first, then the longest matching `prefix*`, then the other book."""

    def __init__(self, overrides: Sequence[PriceOverride], book: PriceBook) -> None:
        self._book = book
        self._exact: dict[tuple[str, str], Quote] = {}
        prefixes: dict[str, list[tuple[str, Quote]]] = {}
        for override in overrides:
            quote = _quote(override)
            if override.model.endswith("*"):
                prefixes.setdefault(override.provider, []).append((override.model[:-1], quote))
            else:
                self._exact[override.provider, override.model] = quote
        self._prefixes = {
            provider: sorted(found, key=lambda entry: len(entry[0]), reverse=True)
            for provider, found in prefixes.items()
        }

    def quote(self, provider: str, model: str, at: datetime) -> Quote:
        if exact := self._exact.get((provider, model)):
            return exact
        for prefix, quote in self._prefixes.get(provider, ()):
            if model.startswith(prefix):
                return quote
        return self._book.quote(provider, model, at)


def _quote(override: PriceOverride) -> Quote:
    read = override.input if override.cache_read is None else override.cache_read
    write = override.input if override.cache_write is None else override.cache_write
    prices = Prices(
        uncached_input=Rate.of(override.input),
        cache_write=Rate.of(write),
        cache_read=Rate.of(read),
        output=Rate.of(override.output),
    )
    return Quote(version=f"override:{_digest(override)}", prices=prices)


def _digest(override: PriceOverride) -> str:
    """Names the override by what it says, so that an edited price is another version."""
    return hashlib.sha256(override.model_dump_json().encode()).hexdigest()[:12]
