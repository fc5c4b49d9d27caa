"""Which worker has begun to read which record, and not lived to say so? A mark in Redis, written before the reading."""

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.router_worker.ports import Unreachable
from shared.job_log import Keyspace

__all__ = ["RedisReadingMarks"]

_KEPT_SECONDS = 86_400


class RedisReadingMarks:
    """The port `ReadingMarks`. A set of workers per record, so that a mark written twice is one."""

    def __init__(self, redis: Redis, keyspace: Keyspace, worker: str) -> None:
        self._redis = redis
        self._keyspace = keyspace
        self._worker = worker

    async def begin(self, origin: str) -> int:
        key = self._keyspace.readers_of(origin)
        try:
            async with self._redis.pipeline(transaction=False) as pipeline:
                pipeline.sadd(key, self._worker)
                pipeline.expire(key, _KEPT_SECONDS)
                pipeline.scard(key)
                return int((await pipeline.execute())[-1])
        except (RedisError, OSError) as error:
            raise Unreachable(f"Redis: {error!r}") from error

    async def end(self, origin: str) -> None:
        try:
            await self._redis.delete(self._keyspace.readers_of(origin))
        except (RedisError, OSError) as error:
            raise Unreachable(f"Redis: {error!r}") from error
