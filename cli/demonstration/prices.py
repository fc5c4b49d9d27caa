"""What should a call have cost? Worked out here a second time, in decimals, without the ledger's own arithmetic."""

from collections.abc import Callable
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from genai_prices import Usage, calc_price

from shared.config import Config
from shared.contracts import TokenUsage
from shared.money import Nanodollars

__all__ = ["PriceOf", "second_opinion"]

PriceOf = Callable[[str, str, TokenUsage, datetime], Nanodollars | None]
"""Provider, upstream model, usage and the moment of the call; None for a model that nobody has a price for."""

_NANOS: Final = Decimal(1_000_000_000)
_MILLION: Final = Decimal(1_000_000)


def second_opinion(config: Config) -> PriceOf:
    """The configuration's own prices first, then the public book, each line rounded to the nanodollar."""

    def price_of(provider: str, model: str, usage: TokenUsage, at: datetime) -> Nanodollars | None:
        if not usage.total:
            return Nanodollars(0)  # whatever the price would be
        for own in config.prices:
            if own.provider == provider and own.model in ("*", model) and own.input is not None:
                cached = own.input if own.cache_read is None else own.cache_read
                lines = [
                    usage.uncached_input * own.input / _MILLION,
                    usage.cache_read * cached / _MILLION,
                    usage.output * (own.output or 0) / _MILLION,
                ]
                return _rounded(lines)
        name = config.providers[provider].price_as or provider
        try:
            return _rounded([_by_the_book(each, model, name, at) for each in _lines(usage)])
        except LookupError:
            return None

    return price_of


def _lines(usage: TokenUsage) -> tuple[Usage, ...]:
    return (
        Usage(input_tokens=usage.uncached_input),
        Usage(input_tokens=usage.cache_read, cache_read_tokens=usage.cache_read),
        Usage(output_tokens=usage.output),
    )


def _by_the_book(usage: Usage, model: str, provider: str, at: datetime) -> Decimal:
    return calc_price(usage, model, provider_id=provider, genai_request_timestamp=at).total_price


def _rounded(lines: list[Decimal]) -> Nanodollars:
    return Nanodollars(sum(int((line * _NANOS).to_integral_value(ROUND_HALF_EVEN)) for line in lines))
