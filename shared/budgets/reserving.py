"""What might a job cost at most? Pure: its tokens, and the prices of everybody who may answer it.

It is a bound of one whole answer by the dearest of them. The input is what the model's own tokenizer is likely to count
at most; the output is what the request, or else the model, allows. Where a slow call gets another beside it, two are
held. A call that breaks and is made again gets money of its own then. What nobody can know before is not in it:
searches that a provider makes, and pictures that it counts in its own way. Such a job settles for what it really cost,
and the next ones find that much less left.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.config.schema import Config
from shared.money import Nanodollars, charge_line
from shared.prices import PriceBook, Prices, Rate

__all__ = ["Deployments", "Need", "Place", "worst_case"]

Place = tuple[str, str]
"""A provider, and the id it is asked for."""


@dataclass(frozen=True, slots=True)
class Need:
    """What one job may use."""

    input_tokens: int
    output_tokens: int
    """Of all choices together."""
    service_tier: str | None = None
    """As the request asks for it."""
    calls: int = 1
    """So many at once, where a slow one gets a second beside it."""


class Deployments:
    """Who may answer for a model: its own deployments, and those of its fallbacks."""

    def __init__(self, config: Config) -> None:
        self._places = {name: _places(config, name) for name in config.models}
        self._hedged = {
            name for name in config.models if any(config.models[each].hedge for each in _named(config, name))
        }

    def of(self, model: str) -> Sequence[Place]:
        return self._places.get(model, ())

    def calls(self, model: str) -> int:
        """How many of them may be asked at once for one answer: all of them are paid."""
        return 2 if model in self._hedged else 1


def worst_case(need: Need, places: Iterable[Place], book: PriceBook, at: datetime) -> Nanodollars | None:
    """None when one of them has no known price."""
    most = 0
    for provider, model in places:
        for tier in {None, need.service_tier}:
            prices = book.quote(provider, model, at, tier).prices
            amount = _most(need, prices) if prices else None
            if amount is None:
                return None
            most = max(most, amount)
    return Nanodollars(most * need.calls)


def _most(need: Need, prices: Prices) -> int | None:
    if prices.output is None or prices.uncached_input is None:
        return None
    size = need.input_tokens
    ways_in = (prices.uncached_input, prices.cache_write, prices.cache_read)
    ways_out = (prices.output, prices.reasoning)
    fee = charge_line(1, prices.request.per_million) if prices.request else 0
    # A line is rounded to the nearest: several of them may come to a little more than one.
    rounding = len(ways_in) + len(ways_out)
    return (
        charge_line(size, _dearest(ways_in, size))
        + charge_line(need.output_tokens, _dearest(ways_out, size))
        + (fee + rounding)
    )


def _dearest(rates: Iterable[Rate | None], input_tokens: int) -> Nanodollars:
    """Also of the tiers below: a provider may count fewer tokens of input than we do."""
    found = [rate for rate in rates if rate is not None]
    return max(max(rate.per_million, rate.at(input_tokens)) for rate in found)


def _places(config: Config, name: str) -> tuple[Place, ...]:
    found = (
        (deployment.provider, deployment.model or model)
        for model in _named(config, name)
        for deployment in config.models[model].deployments
    )
    return tuple(dict.fromkeys(found))


def _named(config: Config, name: str) -> tuple[str, ...]:
    """The model, and those that may answer in its place."""
    section = config.models[name]
    kinds = type(section.fallbacks_for).model_fields
    return (name, *section.fallbacks, *(each for kind in kinds for each in getattr(section.fallbacks_for, kind)))
