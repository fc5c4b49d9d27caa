"""When Redis is away nobody is dead, and nobody who asks dies of it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import pytest

from services.router_worker.fleet.heartbeat import Heartbeat
from services.router_worker.fleet.shadows import FleetShadows
from services.router_worker.ports import Begun, Look, Owned, RunningElsewhere, Unreachable
from shared.contracts import Job
from shared.ids import JobId, new_job_id
from shared.job_log import Keyspace
from shared.redis import redis_client


class ClaimsOfOneOwner:
    def __init__(self, *, ended: bool = False, owner: str | None = "other") -> None:
        self.ended = ended
        self.owner = owner
        self.published = False
        self.looks = 0

    async def look(self, jobs: Sequence[JobId]) -> list[Look]:
        self.looks += 1
        return [Look(self.owner, ended=self.ended, published=self.published, cancelled=False) for _ in jobs]

    async def take(self, job: Job, facts: bytes, ttl_ms: int) -> Owned:
        raise AssertionError(job, facts, ttl_ms)

    async def take_over(self, job: Job, facts: bytes, ttl_ms: int, former: RunningElsewhere) -> Owned:
        raise AssertionError(job, facts, ttl_ms, former)

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


class EverybodyLives:
    async def lives(self, worker: str) -> bool:
        return bool(worker)


@asynccontextmanager
async def watched(shadows: FleetShadows) -> AsyncIterator[FleetShadows]:
    running = asyncio.create_task(shadows.run())
    yield shadows
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_an_owner_that_never_says_that_an_ended_job_is_published_is_waited_for_no_longer_than_that_takes() -> (
    None
):
    claims = ClaimsOfOneOwner(ended=True)
    patient = FleetShadows(claims, EverybodyLives(), "me", (), every_seconds=0.001, publishes_within_seconds=0.05)
    async with watched(patient) as shadows:
        assert await asyncio.wait_for(shadows.wait(new_job_id()), 5)
    assert claims.looks > 1


async def test_an_owner_that_lives_and_runs_the_job_is_waited_for() -> None:
    claims = ClaimsOfOneOwner()
    hasty = FleetShadows(claims, EverybodyLives(), "me", (), every_seconds=0.001, publishes_within_seconds=0)
    async with watched(hasty) as shadows:
        waiting = asyncio.create_task(shadows.wait(new_job_id()))
        while claims.looks < 3:
            await asyncio.sleep(0)
        assert not waiting.done()
        claims.ended = True
        assert await asyncio.wait_for(waiting, 5)


async def test_an_owner_that_may_be_heard_yet_is_waited_for() -> None:
    claims = ClaimsOfOneOwner(owner=None)
    async with watched(FleetShadows(claims, EverybodyLives(), "me", (), every_seconds=0.001)) as shadows:
        waiting = asyncio.create_task(shadows.wait(new_job_id(), 60))
        while claims.looks < 3:
            await asyncio.sleep(0)
        claims.owner, seen = "other", claims.looks
        while claims.looks < seen + 3:
            await asyncio.sleep(0)
        assert not waiting.done(), "it was heard, and lives"
        claims.ended, claims.published = True, True
        assert not await asyncio.wait_for(waiting, 5)


async def test_this_worker_is_not_waited_for_when_its_run_is_over() -> None:
    claims, running = ClaimsOfOneOwner(owner="me"), {(job := new_job_id())}
    async with watched(FleetShadows(claims, EverybodyLives(), "me", running, every_seconds=0.001)) as shadows:
        waiting = asyncio.create_task(shadows.wait(job))
        while claims.looks < 3:
            await asyncio.sleep(0)
        assert not waiting.done()
        running.clear()
        assert not await asyncio.wait_for(waiting, 5)


async def test_an_owner_that_must_have_been_heard_by_now_is_not_waited_for() -> None:
    claims = ClaimsOfOneOwner(owner=None)
    async with watched(FleetShadows(claims, EverybodyLives(), "me", (), every_seconds=0.001)) as shadows:
        assert not await asyncio.wait_for(shadows.wait(new_job_id(), 0.01), 5)
    assert claims.looks > 1


async def test_who_waits_for_a_job_waits_on_while_nobody_can_tell_whether_its_owner_lives() -> None:
    liveness = LivenessThatIsAwayAtFirst()
    async with watched(FleetShadows(ClaimsOfOneOwner(), liveness, "me", (), every_seconds=0.001)) as shadows:
        assert not await asyncio.wait_for(shadows.wait(new_job_id()), 5)
    assert liveness.asked == 2


async def test_a_heartbeat_that_cannot_be_asked_for_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    redis = redis_client(f"redis://127.0.0.1:{port}/0", call_seconds=1)
    heartbeat = Heartbeat(redis, Keyspace("t"), "w", every_seconds=1, dead_after_seconds=5)
    with pytest.raises(Unreachable):
        await heartbeat.lives("other")
    await redis.aclose(close_connection_pool=True)
