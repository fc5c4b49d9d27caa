"""In turn, each as often as its weight says; behind the one whose turn it is, the others follow as in a ring."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from math import gcd

from services.router_worker.routing.odds import Lot, Odds

__all__ = ["order"]


def order(odds: Sequence[Odds], lot: Lot) -> Sequence[int]:
    first = _whose(lot.turn, [each.weight for each in odds])
    return (*range(first, len(odds)), *range(first))


def _whose(turn: int, weights: Sequence[int]) -> int:
    """Every deployment owns as many slots as it weighs, and turns go over the slots in a stride that hits each once.

    A stride near the golden section spreads the turns: weights 60 and 40 do not give 60 turns in a row.
    """
    slots = list(accumulate(weights))
    total = slots[-1]
    if min(weights) == max(weights):
        return turn % len(weights)
    stride = round(total * 0.618)
    while gcd(stride, total) != 1:
        stride += 1
    return bisect_right(slots, turn * stride % total)
