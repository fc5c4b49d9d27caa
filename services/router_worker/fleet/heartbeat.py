"""Is that worker alive? One key per worker, refreshed on a timer, says so; 600 running jobs cost one write a second."""

import asyncio
import time

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.job_log import Keyspace

__all__ = ["Heartbeat"]

log = structlog.get_logger("fleet")


class Heartbeat:
    """A worker whose key has expired is taken for dead: its jobs may be taken with the next epoch."""

    def __init__(
        self, redis: Redis, keyspace: Keyspace, worker: str, *, every_seconds: float, dead_after_seconds: float
    ) -> None:
        self._redis = redis
        self._keyspace = keyspace
        self._worker = worker
        self._every = every_seconds
        self._dead_after_ms = int(dead_after_seconds * 1000)
        self._beat_at = float("-inf")

    @property
    def age_seconds(self) -> float:
        """Since Redis last took a beat."""
        return time.monotonic() - self._beat_at

    async def beat(self) -> None:
        """Raises RedisError when Redis is away."""
        await self._redis.set(self._keyspace.heartbeat(self._worker), "1", px=self._dead_after_ms)
        self._beat_at = time.monotonic()

    async def run(self) -> None:
        """Beat until cancelled. Must run as long as this worker owns a job."""
        while True:
            try:
                await self.beat()
            except (RedisError, OSError) as error:
                log.warning("heartbeat_failed", reason=repr(error), age_seconds=round(self.age_seconds, 1))
            await asyncio.sleep(self._every)

    async def leave(self) -> None:
        """Say goodbye, so that nobody waits for the key to expire."""
        await self._redis.delete(self._keyspace.heartbeat(self._worker))

    async def lives(self, worker: str) -> bool:
        """Raises RedisError when Redis is away: unknown is not dead."""
        return bool(await self._redis.exists(self._keyspace.heartbeat(worker)))
