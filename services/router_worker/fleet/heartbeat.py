"""Is that worker alive? One key per worker, refreshed on a timer, says so; 600 running jobs cost one write a second.

A key that is missing says nothing while the server may have lost it: after a restart or a flush everybody gets the time
in which a living worker must have been heard. Therefore whoever beats also keeps the server's memory dated.

A beat on a connection that has died without a word is given up soon, and repeated on another: a worker that is cut off
for a moment is heard again a moment later, and not taken for dead by those who only see that its key has run out.
"""

import asyncio
import time
from typing import Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.router_worker.ports import Unreachable
from shared.job_log import LIVES, REMEMBER, Keyspace

__all__ = ["Heartbeat"]

log = structlog.get_logger("fleet")

_BEAT_SECONDS: Final = 1.0
_AGAIN_SECONDS: Final = 0.5


class Heartbeat:
    """A worker unheard for so long is taken for dead: its jobs may be taken with the next epoch."""

    def __init__(
        self, redis: Redis, keyspace: Keyspace, worker: str, *, every_seconds: float, dead_after_seconds: float
    ) -> None:
        self._redis = redis
        self._keyspace = keyspace
        self._worker = worker
        self._every = every_seconds
        self._dead_after_ms = int(dead_after_seconds * 1000)
        self._remember = redis.register_script(REMEMBER)
        self._lives = redis.register_script(LIVES)
        self._beat_at = float("-inf")

    @property
    def age_seconds(self) -> float:
        """Since Redis last took a beat."""
        return time.monotonic() - self._beat_at

    async def beat(self) -> None:
        """Raises RedisError when Redis is away."""
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.set(self._keyspace.heartbeat(self._worker), "1", px=self._dead_after_ms)
        for memory in self._keyspace.memories:
            await self._remember([memory], client=pipeline)
        await pipeline.execute()
        self._beat_at = time.monotonic()

    async def run(self) -> None:
        """Beat until cancelled. Must run as long as this worker owns a job."""
        while True:
            pause = self._every
            try:
                async with asyncio.timeout(_BEAT_SECONDS):
                    await self.beat()
            except (RedisError, OSError) as error:
                log.warning("heartbeat_failed", reason=repr(error), age_seconds=round(self.age_seconds, 1))
                pause = min(pause, _AGAIN_SECONDS)
            await asyncio.sleep(pause)

    async def leave(self) -> None:
        """Say goodbye, so that nobody waits for the key to expire."""
        await self._redis.delete(self._keyspace.heartbeat(self._worker))

    async def lives(self, worker: str) -> bool:
        """Raises Unreachable when Redis is away: unknown is not dead."""
        keys = [self._keyspace.heartbeat(worker), self._keyspace.heartbeat_memory(worker)]
        try:
            return bool(await self._lives(keys, [self._dead_after_ms]))
        except (RedisError, OSError) as error:
            raise Unreachable(f"Redis: {error!r}") from error
