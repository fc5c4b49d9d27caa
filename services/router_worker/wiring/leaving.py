"""How does a worker leave? Each part in its turn, and none for longer than it may take."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog
from redis.exceptions import RedisError

from services.router_worker.fleet.heartbeat import Heartbeat
from services.router_worker.fleet.seats import Seats
from services.router_worker.settings import OnStop
from shared.kafka import let_go

__all__ = ["cancelled", "leave_fleet", "leave_seat", "let_go_of"]

log = structlog.get_logger("worker")


async def let_go_of(stop: Callable[[], Coroutine[Any, Any, None]], within_seconds: float) -> None:
    await let_go(stop(), within_seconds=within_seconds)


async def leave_fleet(heartbeat: Heartbeat) -> None:
    try:
        await heartbeat.leave()
    except (RedisError, OSError) as error:
        log.info("heartbeat_runs_out", reason=repr(error))


async def leave_seat(seats: Seats, on_stop: OnStop) -> None:
    try:
        await (seats.leave_behind() if on_stop is OnStop.STAY else seats.clear_away())
    except (RedisError, OSError) as error:
        log.info("seat_runs_out", reason=repr(error))


async def cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
