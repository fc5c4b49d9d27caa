"""Always in the order of the configuration: the first is asked until it fails."""

from collections.abc import Sequence

from services.router_worker.routing.odds import Lot, Odds

__all__ = ["order"]


def order(odds: Sequence[Odds], lot: Lot) -> Sequence[int]:  # noqa: ARG001
    return range(len(odds))
