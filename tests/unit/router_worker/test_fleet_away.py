"""When Redis is away nobody is dead, and nobody who asks dies of it."""

import asyncio
import socket
from collections.abc import Sequence
from contextlib import suppress

import pytest

from services.router_worker.fleet.heartbeat import Heartbeat
from services.router_worker.fleet.shadows import FleetShadows
from services.router_worker.ports import Begun, Look, Owned, Unreachable
from shared.contracts import Job
from shared.ids import JobId, new_job_id
from shared.job_log import Keyspace
from shared.redis import redis_client


class ClaimsOfOneOwner:
    async def look(self, jobs: Sequence[JobId]) -> list[Look]:
        return [Look("other", ended=False, published=False, cancelled=False) for _ in jobs]

    async def take(self, job: Job, facts: bytes, ttl_ms: int) -> Owned:
        raise AssertionError(job, facts, ttl_ms)

    async def note(self, job: JobId, epoch: int, field: str, value: bytes) -> Begun:
        raise AssertionError(job, epoch, field, value)

    async def hand_over(self, job: JobId, epoch: int) -> None:
        raise AssertionError(job, epoch)


class LivenessThatIsAwayAtFirst:
    def __init__(self) -> None:
        self.asked = 0

    async def lives(self, worker: str) -> bool:
        self.asked += 1
        if self.asked == 1:
            raise Unreachable(f"nobody knows of {worker}")
        return False


async def test_who_waits_for_a_job_waits_on_while_nobody_can_tell_whether_its_owner_lives() -> None:
    liveness = LivenessThatIsAwayAtFirst()
    shadows = FleetShadows(ClaimsOfOneOwner(), liveness, every_seconds=0.001)
    running = asyncio.create_task(shadows.run())
    await asyncio.wait_for(shadows.wait(new_job_id()), 5)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert liveness.asked == 2


async def test_a_heartbeat_that_cannot_be_asked_for_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    redis = redis_client(f"redis://127.0.0.1:{port}/0", call_seconds=1)
    heartbeat = Heartbeat(redis, Keyspace("t"), "w", every_seconds=1, dead_after_seconds=5)
    with pytest.raises(Unreachable):
        await heartbeat.lives("other")
    await redis.aclose(close_connection_pool=True)
