"""Sends to Kafka until it has the records: what waits here is durable nowhere else."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from aiokafka.errors import KafkaError

__all__ = ["until_sent"]

log = structlog.get_logger("publishing")

_LONGEST_PAUSE_SECONDS = 5.0


async def until_sent(send: Callable[[], Awaitable[object]], **what: str) -> None:
    """May take as long as Kafka is away; bounded by whoever cancels it. `send` must be safe to repeat."""
    pause = 0.1
    while True:
        try:
            await send()
        except KafkaError as error:
            log.warning("kafka_refused", reason=repr(error), **what)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
        else:
            return
