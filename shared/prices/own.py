"""Which price did the operator set? Their own prices, from `sluice.yaml`, go before those of the public book."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final

from shared.config.schema import PriceOverride
from shared.contracts import Unit
from shared.prices.quotes import PriceBook, Prices, Quote, Rate

__all__ = ["OwnPrices"]

_MILLION: Final = 1_000_000


class OwnPrices:
    """A price book before another. Which of several entries counts, `PriceOverride` says."""

    def __init__(self, overrides: Sequence[PriceOverride], book: PriceBook) -> None:
        self._book = book
        self._exact: dict[tuple[str, str], list[_Own]] = {}
        self._prefixes: dict[str, list[tuple[str, _Own]]] = {}
        for own in sorted(map(_Own, overrides), key=_Own.precedence):
            provider, model = own.section.provider, own.section.model
            if model.endswith("*"):
                self._prefixes.setdefault(provider, []).append((model[:-1], own))
            else:
                self._exact.setdefault((provider, model), []).append(own)
        for found in self._prefixes.values():
            found.sort(key=lambda entry: len(entry[0]), reverse=True)  # stable: the precedence stays within a prefix

    def quote(self, provider: str, model: str, at: datetime, tier: str | None = None) -> Quote:
        own = self._own(provider, model, at, tier)
        if own is None:
            return self._book.quote(provider, model, at, tier)
        return own.quote or own.part_of(self._book.quote(provider, model, at, tier))

    def _own(self, provider: str, model: str, at: datetime, tier: str | None) -> "_Own | None":
        for own in self._exact.get((provider, model), ()):
            if own.holds(at, tier):
                return own
        for prefix, own in self._prefixes.get(provider, ()):
            if model.startswith(prefix) and own.holds(at, tier):
                return own
        return None


class _Own:
    def __init__(self, section: PriceOverride) -> None:
        self.section = section
        self.quote = Quote(f"override:{_digest(section)}", _prices(section)) if section.of_list is None else None
        """None: it is a part of the list's."""
        self._begins, self._ends = _midnight(section.since), _midnight(section.until)
        self._parts: dict[int, tuple[Quote, Quote]] = {}

    def precedence(self) -> tuple[bool, int]:
        return self.section.tier is None, -(self.section.since or date.min).toordinal()

    def holds(self, at: datetime, tier: str | None) -> bool:
        return (
            self.section.tier in (None, tier)
            and (self._begins is None or self._begins <= at)
            and (self._ends is None or at < self._ends)
        )

    def part_of(self, listed: Quote) -> Quote:
        """The list gives the same object for the same prices, so each is worked out once."""
        known = self._parts.get(id(listed))
        if known is None:
            prices = listed.prices and listed.prices.times(self.section.of_list or Decimal(1))
            part = Quote(f"override:{_digest(self.section)} of {listed.version}", prices)
            known = self._parts[id(listed)] = (listed, part)
        return known[1]


def _midnight(day: date | None) -> datetime | None:
    return None if day is None else datetime(day.year, day.month, day.day, tzinfo=UTC)


def _prices(section: PriceOverride) -> Prices:
    long = section.long_context

    def rate(name: str, otherwise: str) -> Rate:
        def of(entry: object) -> Decimal:
            price = getattr(entry, name)
            return Decimal(getattr(entry, otherwise) if price is None else price)

        return Rate.of(of(section), [(entry.above, of(entry)) for entry in long])

    return Prices(
        uncached_input=rate("input", "input"),
        cache_write=rate("cache_write", "input"),
        cache_read=rate("cache_read", "input"),
        output=rate("output", "output"),
        reasoning=None if section.reasoning is None else Rate.of(section.reasoning),
        request=None if section.per_request is None else Rate.of(section.per_request * _MILLION),
        units={unit.value: Rate.of(_per_million(unit, price)) for unit, price in section.extras.items()},
    )


def _per_million(unit: Unit, price: Decimal) -> Decimal:
    return price * _MILLION if unit is Unit.WEB_SEARCH else price


def _digest(section: PriceOverride) -> str:
    """Names the override by what it says, so that an edited price is another version."""
    return hashlib.sha256(section.model_dump_json(exclude_defaults=True).encode()).hexdigest()[:12]
