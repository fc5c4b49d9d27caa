"""What does the public price book say? The genai-prices package, as a `PriceBook`.

Its own lookup takes about 50 microseconds, so what it knows of a model is read once and kept: a few quotes with the
times at which they hold (prices change by date, some by the hour of the day). The data is what the installed package
carries and is never updated behind our back: a ledger must be able to say which prices it used.

A class of service has a price of its own or is no matter of price. Which of the two, the book tells by provider: where
it knows a class for any model of a provider, a model without that is one whose price in it is unknown, and so it is
said, instead of the standard price that the package would give.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from importlib.metadata import version
from typing import Final, NamedTuple

from genai_prices.data_snapshot import DataSnapshot, get_snapshot
from genai_prices.types import (
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    PriceVariant,
    Provider,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
)

from shared.config.schema import Config
from shared.contracts import Unit
from shared.prices.own import OwnPrices
from shared.prices.quotes import PriceBook, Prices, Quote, Rate

__all__ = ["GenaiPrices", "price_book"]

_BATCH: Final = "batch"
"""The only class that the book does not keep under `service_tier`."""

_IN_THE_BOOK: Final[Mapping[str, str]] = {
    Unit.CACHE_WRITE_1H: "cache_write_1h_mtok",
    Unit.INPUT_AUDIO: "input_audio_mtok",
    Unit.INPUT_IMAGE: "input_image_mtok",
    Unit.OUTPUT_AUDIO: "output_audio_mtok",
    Unit.OUTPUT_IMAGE: "output_image_mtok",
}
_THOUSAND: Final = Decimal(1000)
_MINUTES: Final = 1000

Amount = Decimal | TieredPrices
Constraint = StartDateConstraint | TimeOfDateConstraint | None
"""None: always."""


class _Known(NamedTuple):
    """What the book says of a model, in the order in which it goes by it."""

    standard: Sequence[tuple[Constraint, Mapping[str, Amount]]]
    """The first that holds is right, the last when none does."""
    variants: Sequence[tuple[Constraint, Mapping[str, Amount]]]
    """Of the class of service: all that hold go before the standard, the first of them before the others."""
    varies: bool
    """Whether it goes by the time."""
    needs_variant: bool
    quotes: dict[tuple[int, ...], Quote]
    """Those worked out so far, by what held."""
    lately: dict[int, Quote]
    """By the minute, as no price changes within one: to ask what holds is dear."""


class GenaiPrices:
    def __init__(self, names: Mapping[str, str], snapshot: DataSnapshot | None = None) -> None:
        """`names` gives a provider's name in the book where it is not the one in `sluice.yaml`."""
        self._names = names
        self._snapshot = snapshot or get_snapshot()
        self._unknown = Quote(f"genai-prices {version('genai-prices')}", None)
        self._known: dict[tuple[str, str, str | None], _Known | None] = {}
        self._classes: dict[str, frozenset[str]] = {}

    def quote(self, provider: str, model: str, at: datetime, tier: str | None = None) -> Quote:
        if tier is not None and tier not in self._classes_of(provider):
            tier = None
        key = (provider, model, tier)
        if key not in self._known:
            self._known[key] = self._look_up(self._names.get(provider, provider), model, tier)
        known = self._known[key]
        if known is None:
            return self._unknown
        minute = divmod(int(at.timestamp()), 60)[0] if known.varies else 0
        found = known.lately.get(minute)
        if found is None:
            if len(known.lately) >= _MINUTES:
                known.lately.clear()
            found = known.lately[minute] = self._quote(known, _held(known, at))
        return found

    def _classes_of(self, provider: str) -> frozenset[str]:
        if provider not in self._classes:
            try:
                found = self._snapshot.find_provider(None, self._names.get(provider, provider), None)
            except LookupError:
                self._classes[provider] = frozenset()
            else:
                self._classes[provider] = _classes(found)
        return self._classes[provider]

    def _look_up(self, provider: str, model: str, tier: str | None) -> _Known | None:
        try:
            _, found = self._snapshot.find_provider_model(model, None, provider, None)
        except LookupError:
            return None
        prices = [ConditionalPrice(prices=found.prices)] if isinstance(found.prices, ModelPrice) else found.prices
        if not prices:
            return None
        variants = _variants(found, tier)
        return _Known(
            standard=[(each.constraint, _amounts(each.prices)) for each in reversed(prices)],
            variants=[(each.constraint, _amounts(each.prices)) for each in variants],
            varies=len(prices) > 1 or bool(variants),
            needs_variant=tier is not None,
            quotes={},
            lately={},
        )

    def _quote(self, known: _Known, held: tuple[int, ...]) -> Quote:
        """The same object whenever the same holds."""
        if held not in known.quotes:
            known.quotes[held] = self._worked_out(known, held)
        return known.quotes[held]

    def _worked_out(self, known: _Known, held: tuple[int, ...]) -> Quote:
        standard, *variants = held
        if known.needs_variant and not variants:
            return self._unknown
        amounts = dict(known.standard[standard][1])
        for each in reversed(variants):
            amounts |= known.variants[each][1]
        return Quote(self._unknown.version, _prices(amounts))


def _held(known: _Known, at: datetime) -> tuple[int, ...]:
    standard = next((place for place, (when, _) in enumerate(known.standard) if _holds(when, at)), -1)
    return (standard, *(place for place, (when, _) in enumerate(known.variants) if _holds(when, at)))


def _holds(when: Constraint, at: datetime) -> bool:
    return when is None or when.active(at)


def _classes(provider: Provider) -> frozenset[str]:
    """Those whose price differs anywhere from the standard, which has names of its own, such as `default`."""
    variants = (variant for model in provider.models for variant in model.price_variants or ())
    return frozenset(tier for variant in variants if (tier := _class(variant)) and _amounts(variant.prices))


def _class(variant: PriceVariant) -> str | None:
    """None for what goes by something that is not the class of service alone."""
    match variant.when:
        case {"service_tier": str(tier), **others} if not others:
            return tier
        case {"processing": "batch", **others} if not others:
            return _BATCH
        case _:
            return None


def _variants(model: ModelInfo, tier: str | None) -> Sequence[PriceVariant]:
    return [variant for variant in model.price_variants or () if tier is not None and _class(variant) == tier]


def _amounts(price: ModelPrice) -> dict[str, Amount]:
    return {key: amount for key, amount in vars(price).items() if isinstance(amount, Decimal | TieredPrices)}


def _prices(amounts: Mapping[str, Amount]) -> Prices:
    """Where the book has no rate for the cache, its tokens are input like any other."""

    def rate(key: str) -> Rate | None:
        return _rate(amounts.get(key))

    uncached = rate("input_mtok")
    units = {unit: found for unit, key in _IN_THE_BOOK.items() if (found := rate(key))}
    if searches := rate("web_searches_kcount"):
        units[Unit.WEB_SEARCH] = searches.times(_THOUSAND)
    requests = rate("requests_kcount")
    return Prices(
        uncached_input=uncached,
        cache_write=rate("cache_write_mtok") or uncached,
        cache_read=rate("cache_read_mtok") or uncached,
        output=rate("output_mtok"),
        reasoning=rate("output_reasoning_mtok"),
        request=requests.times(_THOUSAND) if requests else None,
        units=units,
    )


def _rate(amount: Amount | None) -> Rate | None:
    if amount is None:
        return None
    if isinstance(amount, TieredPrices):
        return Rate.of(amount.base, [(tier.start, tier.price) for tier in amount.tiers])
    return Rate.of(amount)


def price_book(config: Config) -> PriceBook:
    """The operator's own prices before the public ones."""
    names = {name: provider.price_as for name, provider in config.providers.items() if provider.price_as}
    return OwnPrices(config.prices, GenaiPrices(names))
