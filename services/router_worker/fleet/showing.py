"""Shows how busy this worker is, in one field of a hash that all workers share."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.job_log import Keyspace
from shared.load import SHOWN_SECONDS, WorkerLoad

__all__ = ["Showing"]

log = structlog.get_logger("fleet")


class Showing:
    def __init__(self, redis: Redis, keyspace: Keyspace, worker: str, look: Callable[[], WorkerLoad]) -> None:
        self._redis = redis
        self._loads = keyspace.loads
        self._worker = worker
        self._look = look

    async def run(self) -> None:
        """Until cancelled; then nothing is shown any more. That Redis is away, the heartbeat tells."""
        try:
            while True:
                with _forgiving():
                    await self._redis.hset(self._loads, self._worker, self._look().to_bytes())
                await asyncio.sleep(SHOWN_SECONDS)
        finally:
            with _forgiving():
                await self._redis.hdel(self._loads, self._worker)


@contextmanager
def _forgiving() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError) as error:
        log.debug("load_not_shown", reason=repr(error))
