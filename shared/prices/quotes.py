"""What is a price? A rate per bucket of tokens, as a price book quotes it for a model at a moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple, Protocol, Self

from shared.money import Nanodollars, dollars, nanodollars, per_token

__all__ = ["PerToken", "PriceBook", "Prices", "Quote", "Rate", "Tier"]


@dataclass(frozen=True, slots=True)
class Tier:
    """Another rate, for *all* tokens of a request whose input is larger than this."""

    above_input: int
    per_million: Nanodollars


@dataclass(frozen=True, slots=True)
class Rate:
    """A price per million tokens, the form in which all the world publishes them; of other things, per million too."""

    per_million: Nanodollars
    tiers: tuple[Tier, ...] = ()
    """Ascending."""

    @classmethod
    def of(cls, dollars_per_million: Decimal, tiers: Sequence[tuple[int, Decimal]] = ()) -> Self:
        steps = (Tier(above, nanodollars(price)) for above, price in sorted(tiers))
        return cls(nanodollars(dollars_per_million), tuple(steps))

    def at(self, input_tokens: int) -> Nanodollars:
        price = self.per_million
        for tier in self.tiers:
            if input_tokens > tier.above_input:
                price = tier.per_million
        return price

    def times(self, factor: Decimal) -> "Rate":
        tiers = [(tier.above_input, dollars(tier.per_million) * factor) for tier in self.tiers]
        return Rate.of(dollars(self.per_million) * factor, tiers)


class PerToken(NamedTuple):
    """What one token of each bucket costs, in nanodollars."""

    uncached_input: int
    cache_write: int
    cache_read: int
    output: int


@dataclass(frozen=True, slots=True)
class Prices:
    """A bucket without a rate cannot be charged, which is not the same as a rate of zero."""

    uncached_input: Rate | None
    cache_write: Rate | None
    cache_read: Rate | None
    output: Rate | None
    reasoning: Rate | None = None
    """Where reasoning has a rate of its own; else it is output like any other."""
    request: Rate | None = None
    """Of a call that was served, beside what it used. None: there is no such fee."""
    units: Mapping[str, Rate] = field(default_factory=dict)
    """By `Unit`, of those that have one. Tokens without one are charged as the bucket that they are a part of."""
    per_token: PerToken | None = field(init=False, repr=False, compare=False)
    """The same once more, where that is all there is to say and each is a whole number: nothing is rounded then."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "per_token", self._per_token())

    def _per_token(self) -> PerToken | None:
        whole: list[int] = []
        for rate in (self.uncached_input, self.cache_write, self.cache_read, self.output):
            each = None if rate is None or rate.tiers else per_token(rate.per_million)
            if each is None:
                return None
            whole.append(each)
        return None if self.reasoning or self.request else PerToken(*whole)

    def times(self, factor: Decimal) -> "Prices":
        """A discount or a markup, rounded once for each rate."""

        def times(rate: Rate | None) -> Rate | None:
            return rate.times(factor) if rate else None

        return Prices(
            uncached_input=times(self.uncached_input),
            cache_write=times(self.cache_write),
            cache_read=times(self.cache_read),
            output=times(self.output),
            reasoning=times(self.reasoning),
            request=times(self.request),
            units={unit: rate.times(factor) for unit, rate in self.units.items()},
        )


@dataclass(frozen=True, slots=True)
class Quote:
    """A price book's answer. Without prices it says: this version of the book does not know."""

    version: str
    prices: Prices | None


class PriceBook(Protocol):
    def quote(self, provider: str, model: str, at: datetime, tier: str | None = None) -> Quote:
        """The prices of `model` at the provider of that name in `sluice.yaml`, for a call begun at `at`.

        `tier` is the class of service that the provider named. Never blocks, never raises; equal arguments give an
        equal answer as long as the process lives.
        """
        ...
