"""Whoever has the fewest calls running, for its weight; among equals they take turns."""

from collections.abc import Sequence
from fractions import Fraction

from services.router_worker.routing.odds import Lot, Odds

__all__ = ["order"]


def order(odds: Sequence[Odds], lot: Lot) -> Sequence[int]:
    count = len(odds)
    return sorted(
        range(count),
        key=lambda index: (Fraction(odds[index].in_flight, odds[index].weight), (index - lot.turn) % count),
    )
