"""Which server is waited for? One without whose answer no decision would be safe: waiting loses nothing then."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
import structlog

from services.router_worker.ports import Unreachable

__all__ = ["a_moment", "until_answered"]

log = structlog.get_logger("worker")

T = TypeVar("T")

_LONGEST_PAUSE_SECONDS = 1.0
_MOMENT_SECONDS = 1.0


def a_moment() -> anyio.CancelScope:
    """For what is said again later anyway: nobody shall wait for a job because Kafka is away."""
    return anyio.move_on_after(_MOMENT_SECONDS)


async def until_answered(ask: Callable[[], Awaitable[T]]) -> T:
    """May take as long as the server is away; bounded by whoever cancels it. `ask` must be safe to repeat."""
    pause = 0.05
    while True:
        try:
            return await ask()
        except Unreachable as error:
            log.warning("waiting_for_server", reason=str(error))
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
