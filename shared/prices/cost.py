"""What does a usage cost at given prices? The one place where tokens become money.

A charge line is a count times its rate; each line is rounded once, to whole nanodollars, and the cost is the sum of the
lines. There is a line for each of the four buckets; what is a part of a bucket and has a rate of its own is taken out
of the bucket's line into one of its own, so no token is charged twice or not at all. What comes on top of the tokens,
such as searches, has lines too. A job of the batch lane waited in Sluice, not at the provider, so it is charged the
list price like any other.
"""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple, Protocol

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


def saved_by_cache(
    paid: Nanodollars | None, usage: Counted, prices: Prices | None, units: Mapping[str, int] | None = None
) -> Nanodollars | None:
    """What a call that costs `paid` would cost more if its provider had no prompt cache, all input being at full price.

    Negative where writing into the cache cost more than reading from it saved. None when nobody knows.
    """
    if paid is None or not (usage.cache_read or usage.cache_write):
        return None if paid is None else Nanodollars(0)
    input_tokens = usage.uncached_input + usage.cache_write + usage.cache_read
    without = cost(_Uncached(input_tokens, usage.output, usage.reasoning), prices, units)
    return None if without is None else Nanodollars(without - paid)


class _Uncached(NamedTuple):
    uncached_input: int
    output: int
    reasoning: int
    cache_write: int = 0
    cache_read: int = 0


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
