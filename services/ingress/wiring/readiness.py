"""What `/livez` and `/readyz` say, and the metrics of which server answers."""

import asyncio
from collections.abc import Callable, Mapping

from services.ingress.adapters.reachability import Reachability
from services.ingress.ports import Dependency
from shared.telemetry import Instruments
from shared.telemetry.metrics import DEPENDENCY_UP

__all__ = ["alive", "readiness"]


def readiness(
    servers: Mapping[Dependency, Reachability],
    topics_exist: asyncio.Event,
    stopping: asyncio.Event,
    instruments: Instruments,
) -> Callable[[], Mapping[str, str | None]]:
    up = instruments.gauge(DEPENDENCY_UP)
    for name, server in servers.items():
        up.labels(name.value).set_function(server.is_up)

    def ready() -> Mapping[str, str | None]:
        problems: dict[str, str | None] = {name.value: server.problem for name, server in servers.items()}
        if not topics_exist.is_set():
            problems[Dependency.KAFKA.value] = (
                servers[Dependency.KAFKA].problem or "its topics are not known to be there"
            )
        return problems | {"ingress": "stopping" if stopping.is_set() else None}

    return ready


def alive() -> None:
    """A loop that can answer is alive: there is nothing here that could be stuck without it."""
