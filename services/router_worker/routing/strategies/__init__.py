"""In which order are a model's deployments asked? One file per strategy and one line here."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from services.router_worker.routing.strategies import priority, round_robin
from shared.config.schema import Deployment

__all__ = ["STRATEGIES", "Strategy"]

Strategy = Callable[[Sequence[Deployment], int], tuple[Deployment, ...]]
"""The deployments, each once, for the given turn."""

STRATEGIES: Final[Mapping[str, Strategy]] = {
    "priority": priority.order,
    "round-robin": round_robin.order,
}
