"""Drawn by lot, each as likely as its weight says; those behind it are drawn in the same way from who is left."""

from collections.abc import Sequence

from services.router_worker.routing.odds import Lot, Odds

__all__ = ["order"]


def order(odds: Sequence[Odds], lot: Lot) -> Sequence[int]:
    left, drawn, draw = list(range(len(odds))), list[int](), lot.draw
    while left:
        place, draw = _draw([odds[index].weight for index in left], draw)
        drawn.append(left.pop(place))
    return drawn


def _draw(weights: Sequence[int], draw: float) -> tuple[int, float]:
    """Whose part of the whole the draw falls into, and where in that part: which is a draw again."""
    point = draw * sum(weights)
    for place, weight in enumerate(weights):
        if point < weight:
            return place, point / weight
        point -= weight
    return len(weights) - 1, 0.0  # rounding has carried it over the end
