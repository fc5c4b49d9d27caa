"""What does a usage cost at given prices? The one place where tokens become money.

A charge line is a count times its rate; each line is rounded once, to whole nanodollars, and the cost is the sum of the
lines. There is a line for each of the four buckets; what is a part of a bucket and has a rate of its own is taken out
of the bucket's line into one of its own, so no token is charged twice or not at all. What comes on top of the tokens,
such as searches, has lines too. A job of the batch lane waited in Sluice, not at the provider, so it is charged the
list price like any other.

Most prices are a whole number of nanodollars for a token, and the same for every size of request. Then there is nothing
to round, and no line has to be made by itself: that takes a third of the time.
"""

from collections.abc import Iterator, Mapping
from typing import Final, Protocol

from shared.contracts import Unit
from shared.money import Nanodollars, charge_line
from shared.prices.quotes import Prices, Rate

__all__ = ["Counted", "cost", "saved_by_cache"]

_PART_OF: Final[Mapping[str, str]] = {
    Unit.INPUT_AUDIO: "uncached_input",
    Unit.INPUT_IMAGE: "uncached_input",
    Unit.CACHE_WRITE_1H: "cache_write",
    Unit.OUTPUT_AUDIO: "output",
    Unit.OUTPUT_IMAGE: "output",
}
"""The bucket in which these tokens are counted already. The others come on top, and so does a unit of tomorrow: what
nobody here has a rate for leaves the whole call unpriced."""

Line = tuple[int, Rate | None]


class Counted(Protocol):
    """Tokens in four disjoint buckets, such as `TokenUsage`."""

    @property
    def uncached_input(self) -> int: ...
    @property
    def cache_write(self) -> int: ...
    @property
    def cache_read(self) -> int: ...
    @property
    def output(self) -> int: ...
    @property
    def reasoning(self) -> int:
        """A part of the output."""
        ...


def cost(usage: Counted, prices: Prices | None, units: Mapping[str, int] | None = None) -> Nanodollars | None:
    """None when something was used that has no known price. Nothing used costs nothing, whatever the price may be."""
    if prices is not None and prices.per_token is not None and not units:
        each = prices.per_token
        return Nanodollars(
            usage.uncached_input * each.uncached_input
            + usage.cache_write * each.cache_write
            + usage.cache_read * each.cache_read
            + usage.output * each.output
        )
    input_tokens = usage.uncached_input + usage.cache_write + usage.cache_read
    used = input_tokens + usage.output
    if prices is None:
        return None if used or any((units or {}).values()) else Nanodollars(0)
    total = 0
    for count, rate in _with_units(usage, prices, units) if units else _tokens(usage, prices):
        if not count:
            continue
        if rate is None:
            return None
        total += charge_line(count, rate.at(input_tokens) if rate.tiers else rate.per_million)
    if prices.request is not None and used:
        total += charge_line(1, prices.request.per_million)
    return Nanodollars(total)


def saved_by_cache(usage: Counted, prices: Prices | None, units: Mapping[str, int] | None = None) -> Nanodollars | None:
    """What the tokens of the provider's prompt cache would cost as any other input, less what they cost.

    Negative where writing into the cache costs more than reading from it saves. None when nobody knows.
    """
    written, read = usage.cache_write, usage.cache_read
    if not (written or read):
        return Nanodollars(0)
    if prices is None:
        return None
    if prices.per_token is not None and not units:
        each = prices.per_token
        return Nanodollars((written + read) * each.uncached_input - written * each.cache_write - read * each.cache_read)
    input_tokens = usage.uncached_input + written + read
    for_an_hour = prices.units.get(Unit.CACHE_WRITE_1H) if units else None
    long = min(units.get(Unit.CACHE_WRITE_1H, 0), written) if units and for_an_hour else 0
    full = _line(written + read, prices.uncached_input, input_tokens)
    paid = 0
    for count, rate in ((read, prices.cache_read), (written - long, prices.cache_write), (long, for_an_hour)):
        if count:
            line = _line(count, rate, input_tokens)
            if line is None:
                return None
            paid += line
    return None if full is None else Nanodollars(full - paid)


def _line(count: int, rate: Rate | None, input_tokens: int) -> Nanodollars | None:
    if rate is None:
        return None
    return charge_line(count, rate.at(input_tokens) if rate.tiers else rate.per_million)


def _tokens(usage: Counted, prices: Prices) -> tuple[Line, ...]:
    hidden = min(usage.reasoning, usage.output) if prices.reasoning else 0
    return (
        (usage.uncached_input, prices.uncached_input),
        (usage.cache_write, prices.cache_write),
        (usage.cache_read, prices.cache_read),
        (usage.output - hidden, prices.output),
        (hidden, prices.reasoning),
    )


def _with_units(usage: Counted, prices: Prices, units: Mapping[str, int]) -> Iterator[Line]:
    """A part is never larger than what is left of its bucket, whatever the provider says."""
    hidden = min(usage.reasoning, usage.output) if prices.reasoning else 0
    left = {
        "uncached_input": usage.uncached_input,
        "cache_write": usage.cache_write,
        "output": usage.output - hidden,
    }
    for name, count in sorted(units.items()):
        rate = prices.units.get(name)
        bucket = _PART_OF.get(name)
        if bucket is None:
            yield count, rate
        elif rate is not None:
            part = min(count, left[bucket])
            left[bucket] -= part
            yield part, rate
    yield left["uncached_input"], prices.uncached_input
    yield left["cache_write"], prices.cache_write
    yield usage.cache_read, prices.cache_read
    yield left["output"], prices.output
    yield hidden, prices.reasoning
