"""The cheapest for this job's tokens first; who has no price comes last, in the order of the configuration."""

from collections.abc import Sequence

from services.router_worker.routing.odds import Lot, Odds

__all__ = ["order"]


def order(odds: Sequence[Odds], lot: Lot) -> Sequence[int]:  # noqa: ARG001
    def price(index: int) -> tuple[bool, int, int]:
        known = odds[index].cost
        return known is None, known or 0, index

    return sorted(range(len(odds)), key=price)
