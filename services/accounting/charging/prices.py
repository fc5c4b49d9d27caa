"""What is a price? A rate per bucket of tokens, as a price book quotes it for a model at a moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol, Self

from shared.money import Nanodollars, nanodollars

__all__ = ["PriceBook", "Prices", "Quote", "Rate", "Tier"]


@dataclass(frozen=True, slots=True)
class Tier:
    """Another rate, for *all* tokens of a request whose input is larger than this."""

    above_input: int
    per_million: Nanodollars


@dataclass(frozen=True, slots=True)
class Rate:
    """A price per million tokens, the form in which all the world publishes them."""

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


@dataclass(frozen=True, slots=True)
class Prices:
    """A bucket without a rate cannot be charged, which is not the same as a rate of zero."""

    uncached_input: Rate | None
    cache_write: Rate | None
    cache_read: Rate | None
    output: Rate | None
    reasoning: Rate | None = None
    """Where reasoning has a rate of its own; else it is output like any other."""


@dataclass(frozen=True, slots=True)
class Quote:
    """A price book's answer. Without prices it says: this version of the book does not know."""

    version: str
    prices: Prices | None


class PriceBook(Protocol):
    def quote(self, provider: str, model: str, at: datetime) -> Quote:
        """The prices of `model` at the provider of that name in `sluice.yaml`, for a call begun at `at`.

        Never blocks, never raises; equal arguments give an equal answer as long as the process lives.
        """
        ...
