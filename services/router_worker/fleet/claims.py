"""Who runs this job? The claim in Redis answers, and hands out the epoch that fences everybody else."""

import asyncio
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.router_worker.ports import (
    Begun,
    Ended,
    Liveness,
    Look,
    Owned,
    RunningElsewhere,
    Taken,
    Uncertain,
    Unreachable,
)
from shared.clock import unix_ms
from shared.contracts import Job
from shared.ids import JobId
from shared.job_log import (
    BEGIN,
    HAND_OVER,
    TAKE,
    Entry,
    EventType,
    Keyspace,
    accepted_entry,
    encode_entry,
    parse_entry,
)

__all__ = ["RedisClaims"]

_FORGETS_WITHIN_SECONDS: Final = 5.0
"""Longer than what a server may lose when it dies, or a replica has not heard yet when it takes over."""


class RedisClaims:
    """`run` must run as long as claims are handed over."""

    def __init__(
        self, redis: Redis, keyspace: Keyspace, worker: str, liveness: Liveness, *, dead_after_seconds: float
    ) -> None:
        self._redis = redis
        self._keyspace = keyspace
        self._worker = worker
        self._liveness = liveness
        self._dead_after_ms = int(dead_after_seconds * 1000)
        self._take = redis.register_script(TAKE)
        self._note = redis.register_script(BEGIN)
        self._hand_over = redis.register_script(HAND_OVER)
        self._handed_over: deque[tuple[float, JobId, int]] = deque()
        """When, which and in which epoch: the oldest first."""

    async def take(self, job: Job, facts: bytes, ttl_ms: int) -> Owned:
        with _translated():
            owned = await self._try_to_take(job, facts, ttl_ms, None)
            match owned:
                case Ended(published=False):
                    return replace(owned, owner_lives=await self._liveness.lives(owned.owner))
                case RunningElsewhere() if not await self._liveness.lives(owned.owner):
                    return await self._try_to_take(job, facts, ttl_ms, owned)
                case _:
                    return owned

    async def take_over(self, job: Job, facts: bytes, ttl_ms: int, former: RunningElsewhere) -> Owned:
        with _translated():
            return await self._try_to_take(job, facts, ttl_ms, former)

    async def _try_to_take(self, job: Job, facts: bytes, ttl_ms: int, dead: RunningElsewhere | None) -> Owned:
        keys = self._keyspace.job(job.id)
        started = encode_entry(EventType.STARTED, b'{"job_id":"%b"}' % job.id.encode())
        takeover = encode_entry(EventType.PROGRESS, b'{"step":"takeover"}')
        reply: list[Any] = await self._take(
            [keys.log, keys.readers, keys.claim, keys.memory],
            [
                job.id,
                self._worker,
                dead.owner if dead else "",
                dead.epoch if dead else 0,
                facts,
                ttl_ms,
                started,
                takeover,
                unix_ms(job.accepted_at),
                accepted_entry(job),
                self._dead_after_ms,
            ],
        )
        match reply[0]:
            case b"finished":
                return Ended(outcome=reply[1], owner=reply[2].decode(), owner_lives=False, published=bool(reply[3]))
            case b"running":
                return RunningElsewhere(reply[1].decode(), int(reply[2]))
            case b"uncertain":
                return Uncertain(int(reply[1]) / 1000)
            case _:
                epoch = int(reply[1])
                fields = dict(zip(reply[3][::2], reply[3][1::2], strict=True))
                return Taken(
                    epoch=epoch,
                    log_length=int(reply[2]),
                    first_entry=started if epoch == 1 else takeover,
                    cancelled=b"cancel" in fields,
                    deaths=int(fields.get(b"deaths", 0)),
                    begun=_numbered(fields, b"a"),
                    finished=_numbered(fields, b"f"),
                    deferral=int(fields.get(b"deferral", 0)),
                    forgotten=int(reply[4]),
                )

    async def note(self, job: JobId, epoch: int, field: str, value: bytes) -> Begun:
        with _translated():
            return Begun((await self._note([self._keyspace.job(job).claim], [epoch, field, value])).decode())

    async def hand_over(self, job: JobId, epoch: int) -> None:
        await self._leave(job, epoch)
        self._handed_over.append((time.monotonic(), job, epoch))

    async def run(self, *, every_seconds: float = 1.0, forgets_within_seconds: float = _FORGETS_WITHIN_SECONDS) -> None:
        """Hand over a second time, until cancelled.

        A server that has lost a hand-over shows an owner who lives and does not run the job: nobody would ever take it.
        """
        while True:
            await asyncio.sleep(every_seconds)
            try:
                while self._handed_over and self._handed_over[0][0] + forgets_within_seconds <= time.monotonic():
                    _, job, epoch = self._handed_over[0]
                    await self._leave(job, epoch)
                    self._handed_over.popleft()
            except Unreachable:
                pass  # it is the server that may have forgotten: the next look tells it

    async def _leave(self, job: JobId, epoch: int) -> None:
        with _translated():
            await self._hand_over([self._keyspace.job(job).claim], [self._worker, epoch])

    async def look(self, jobs: Sequence[JobId]) -> list[Look]:
        pipeline = self._redis.pipeline(transaction=False)
        for job in jobs:
            pipeline.hmget(self._keyspace.job(job).claim, ["owner", "outcome", "published", "cancel"])
        with _translated():
            rows = await pipeline.execute()
        return [
            Look(
                owner.decode() if owner else None,
                ended=bool(outcome),
                published=bool(published),
                cancelled=bool(cancel),
            )
            for owner, outcome, published, cancel in rows
        ]

    async def log_of(self, job: JobId) -> list[Entry]:
        with _translated():
            rows: Any = await self._redis.xrange(self._keyspace.job(job).log)
        return [parse_entry(entry_id, fields[b"d"]) for entry_id, fields in rows]


def _numbered(fields: dict[bytes, bytes], letter: bytes) -> dict[int, bytes]:
    """The fields named by a letter and a number, in the order of the numbers."""
    names = sorted(int(name[1:]) for name in fields if name[:1] == letter and name[1:].isdigit())
    return {number: fields[letter + b"%d" % number] for number in names}


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError) as error:
        raise Unreachable(f"Redis: {error!r}") from error
