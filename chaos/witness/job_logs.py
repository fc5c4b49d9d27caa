"""What does Redis hold of the jobs when all is over? Their logs and their claims, as they are stored."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from redis.asyncio import Redis

from chaos.bench.stand import NAMESPACE
from chaos.facts import Event
from shared.ids import JobId
from shared.job_log import Keyspace, parse_entry

__all__ = ["read_claim", "read_job_logs"]

_KEYSPACE: Final = Keyspace(NAMESPACE)


async def read_job_logs(redis_url: str, jobs: Iterable[str]) -> Mapping[str, tuple[Event, ...]]:
    """Of the jobs that still have one. Raises RedisError."""
    found: dict[str, tuple[Event, ...]] = {}
    async with Redis.from_url(redis_url) as redis:
        for job in jobs:
            rows: Any = await redis.xrange(_KEYSPACE.job(JobId(job)).log)
            if rows:
                found[job] = tuple(_event(entry_id, fields[b"d"]) for entry_id, fields in rows)
    return found


async def read_claim(redis_url: str, job: str) -> Mapping[str, str]:
    """Raises RedisError."""
    async with Redis.from_url(redis_url, decode_responses=True) as redis:
        fields: Any = await redis.hgetall(_KEYSPACE.job(JobId(job)).claim)
    return {str(name): str(value) for name, value in fields.items()}


def _event(entry_id: bytes, raw: bytes) -> Event:
    entry = parse_entry(entry_id, raw)
    return Event(str(entry.cursor), entry.type.value, entry.data)
