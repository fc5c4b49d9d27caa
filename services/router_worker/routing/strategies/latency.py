"""Of two drawn by lot the quicker one, and the other behind it; then the rest, the quicker before the slower.

Two random choices, not the quickest of all: or every worker would send everything to the same deployment until it is
the slowest. Calls that run there count against it, for the next one will wait behind them.
"""

from collections.abc import Sequence

from services.router_worker.routing.odds import Lot, Odds

__all__ = ["order"]


def order(odds: Sequence[Odds], lot: Lot) -> Sequence[int]:
    def slowness(index: int) -> tuple[float, int]:
        return _slowness(odds[index]), index

    pair = _pair(len(odds), lot.draw)
    rest = (index for index in range(len(odds)) if index not in pair)
    return (*sorted(pair, key=slowness), *sorted(rest, key=slowness))


def _slowness(odds: Odds) -> float:
    """Who was not asked lately is tried, by a few at once."""
    if odds.first_token_seconds is None:
        return float(odds.in_flight)
    return odds.first_token_seconds * (odds.in_flight + 1)


def _pair(count: int, draw: float) -> tuple[int, ...]:
    if count < 2:
        return tuple(range(count))
    number = int(draw * count * (count - 1))
    first, second = divmod(number, count - 1)
    return first, second + (second >= first)
