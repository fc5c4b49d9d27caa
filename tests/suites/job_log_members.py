"""Workers as the job log knows them: each with a share in the fleet, on a connection of its own."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from redis.asyncio import Redis

from services.router_worker.events import Chunk
from services.router_worker.fleet.claims import RedisClaims
from services.router_worker.fleet.heartbeat import Heartbeat
from services.router_worker.measures import WorkerMeasures
from services.router_worker.ports import Owned, Taken
from services.router_worker.publishing.flusher import Flusher
from services.router_worker.publishing.journal import Journal
from shared.contracts import Door, Interruption, Job, Lane
from shared.ids import new_job_id
from shared.job_log import REMEMBER, Entry, EventType, Keyspace, parse_entry
from shared.telemetry.instruments import Instruments

TTL_MS = 60_000
DEAD_AFTER_SECONDS = 60


def a_job() -> Job:
    now = datetime.now(UTC)
    return Job(
        id=new_job_id(),
        tenant="acme",
        caller="web",
        door=Door.JOBS,
        lane=Lane.INTERACTIVE,
        model="m",
        body={"model": "m"},
        streamed=True,
        on_interrupt=Interruption.RESTART,
        input_tokens=3,
        accepted_at=now,
        deadline=now + timedelta(minutes=1),
    )


def delta(number: int) -> Chunk:
    return Chunk(b'{"n":%d}' % number, "", is_output=True, plain=False, choice=0)


@dataclass
class Member:
    """One worker's share in the fleet, on its own connection."""

    redis: Redis
    keyspace: Keyspace
    name: str
    claims: RedisClaims
    flusher: Flusher
    heartbeat: Heartbeat
    fenced: int = 0

    async def take(self, job: Job) -> Owned:
        return await self.claims.take(job, b"{}", TTL_MS)

    async def open(self, job: Job) -> Journal:
        taken = await self.take(job)
        assert isinstance(taken, Taken)
        claim = {"job": b"{}", "owner": self.name.encode(), "epoch": b"%d" % taken.epoch}
        return self.flusher.open(job, taken, claim, TTL_MS, self._count_fence)

    async def end(self, journal: Journal) -> bool:
        async with asyncio.timeout(20):
            return await journal.end(EventType.DONE, b'{"end":1}', b'{"outcome":1}', TTL_MS, 0)

    async def log(self, job: Job) -> list[Entry]:
        rows = await self.redis.xrange(self.keyspace.job(job.id).log)
        return [parse_entry(entry_id, fields[b"d"]) for entry_id, fields in rows]

    async def forget(self, job: Job) -> None:
        keys = self.keyspace.job(job.id)
        await self.redis.delete(keys.log, keys.readers, keys.claim)

    async def remembers_since(self, unix_ms: int) -> None:
        """As if the server had come up at that time."""
        await self.heartbeat.beat()
        await self.redis.hset(self.keyspace.memories[0], "since", unix_ms)

    def _count_fence(self) -> None:
        self.fenced += 1


async def shown(worker: Member, job: Job, entries: int) -> None:
    """Wait until the log has so many."""
    async with asyncio.timeout(20):
        while len(await worker.log(job)) < entries:
            await asyncio.sleep(0.01)


@asynccontextmanager
async def listening(redis: Redis, channel: str) -> AsyncIterator[asyncio.Queue[bytes]]:
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    ready = asyncio.Event()

    async def listen() -> None:
        async with redis.pubsub() as pubsub:
            await pubsub.ssubscribe(channel)
            async for message in pubsub.listen():
                if message["type"] == "ssubscribe":
                    ready.set()
                else:
                    heard.put_nowait(message["data"])

    task = asyncio.create_task(listen())
    await ready.wait()
    yield heard
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


Fleet = Callable[[str], Member]
"""Whoever of this name joins it."""


@asynccontextmanager
async def joining(redis: Redis, keyspace: Keyspace) -> AsyncIterator[Fleet]:
    """A fleet without members, on a server that has been up for long."""
    await redis.register_script(REMEMBER)(keyspace.memories)
    await redis.hset(keyspace.memories[0], "since", 0)
    tasks = []

    def join(name: str) -> Member:
        heartbeat = Heartbeat(redis, keyspace, name, every_seconds=1, dead_after_seconds=DEAD_AFTER_SECONDS)
        claims = RedisClaims(redis, keyspace, name, heartbeat, dead_after_seconds=DEAD_AFTER_SECONDS)
        flusher = Flusher(redis, keyspace, name, WorkerMeasures(Instruments("test")))
        member = Member(redis, keyspace, name, claims, flusher, heartbeat)
        tasks.append(asyncio.create_task(member.flusher.run()))
        return member

    yield join
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
