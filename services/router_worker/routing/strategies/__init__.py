"""In which order are a model's deployments asked? One file per strategy and one line here."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from services.router_worker.routing.odds import Lot, Odds
from services.router_worker.routing.strategies import (
    cost,
    latency,
    least_in_flight,
    priority,
    round_robin,
    weighted,
)

__all__ = ["STRATEGIES", "Strategy"]

Strategy = Callable[[Sequence[Odds], Lot], Sequence[int]]
"""The places of the deployments, each once, in the order in which to ask them; equal arguments give an equal order."""

STRATEGIES: Final[Mapping[str, Strategy]] = {
    "priority": priority.order,
    "weighted": weighted.order,
    "round-robin": round_robin.order,
    "least-in-flight": least_in_flight.order,
    "latency": latency.order,
    "cost": cost.order,
}
