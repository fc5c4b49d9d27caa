"""What does a usage cost at given prices? The one place where tokens become money.

A charge line is a bucket of tokens times its rate; each line is rounded once, to whole nanodollars, and the cost is the
sum of the lines. Only tokens are charged: fees per request, search or image are not in a usage. A job of the batch lane
waited in Sluice, not at the provider, so it is charged the list price like any other.
"""

from services.accounting.charging.prices import Prices, Rate
from shared.contracts import TokenUsage
from shared.money import Nanodollars, charge_line

__all__ = ["cost"]


def cost(usage: TokenUsage, prices: Prices | None) -> Nanodollars | None:
    """None when a token was used that has no known price. No token costs nothing, whatever the price may be."""
    input_tokens = usage.input
    total = 0
    for tokens, rate in _lines(usage, prices):
        if not tokens:
            continue
        if rate is None:
            return None
        total += charge_line(tokens, rate.at(input_tokens))
    return Nanodollars(total)


def _lines(usage: TokenUsage, prices: Prices | None) -> tuple[tuple[int, Rate | None], ...]:
    if prices is None:
        return ((usage.total, None),)
    hidden = min(usage.reasoning, usage.output) if prices.reasoning else 0
    return (
        (usage.uncached_input, prices.uncached_input),
        (usage.cache_write, prices.cache_write),
        (usage.cache_read, prices.cache_read),
        (usage.output - hidden, prices.output),
        (hidden, prices.reasoning),
    )
