"""Workers that share a provider's quota through Redis, and one that dies with its part."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from services.router_worker.failures import Failure, FailureKind
from services.router_worker.fleet.leases import RedisLeases
from services.router_worker.governing.governor import Governor
from shared.clock import utc_now
from shared.job_log import Keyspace
from tests.suites.governing import a_job, candidate, governing
from tests.suites.quota import most_in_bucket

A = candidate("a")
TEST_SECONDS = 30


@pytest.fixture
def leases(redis: Redis, fresh_name: Callable[[str], str]) -> RedisLeases:
    return RedisLeases(redis, Keyspace(fresh_name("ns")))


async def begins(governor: Governor, times: list[float]) -> None:
    job = a_job()
    permit = await governor.queue([A], job, job.deadline)
    assert permit is not None
    times.append(asyncio.get_running_loop().time())
    permit.end(0, None)


async def test_two_workers_together_call_as_much_as_the_quota_and_no_more(leases: RedisLeases) -> None:
    limits = {"a": {"requests_per_second": 100}}
    times: dict[str, list[float]] = {"w1": [], "w2": []}
    async with asyncio.timeout(TEST_SECONDS), AsyncExitStack() as stack:
        governors = {name: await stack.enter_async_context(governing(leases, limits, worker=name)) for name in times}
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(begins(governors[name], times[name]) for name in times for _ in range(150)))
    together = sorted((time, 1) for each in times.values() for time in each)
    assert most_in_bucket(together, rate=100) <= 100
    assert together[-1][0] - began >= 2, "300 calls at 100 a second, of which a second's worth at once"
    assert Counter({name: len(each) for name, each in times.items()}) == {"w1": 150, "w2": 150}


async def test_places_of_a_killed_worker_come_back_and_those_of_a_living_one_do_not(leases: RedisLeases) -> None:
    limits = {"a": {"concurrency": 3}}
    until = utc_now() + timedelta(seconds=TEST_SECONDS)
    async with asyncio.timeout(TEST_SECONDS), governing(leases, limits, worker="survivor") as survivor:
        async with governing(leases, limits, worker="victim") as victim:
            kept = await survivor.queue([A], a_job(), until)
            assert kept is not None
            for _ in range(2):
                assert await victim.queue([A], a_job(), until)
            assert await survivor.queue([A], a_job(), utc_now() + timedelta(seconds=0.6)) is None
        for _ in range(2):
            assert await survivor.queue([A], a_job(), until)
        assert await survivor.queue([A], a_job(), utc_now() + timedelta(seconds=0.3)) is None


async def test_a_refusal_at_one_worker_parks_the_deployment_at_another(leases: RedisLeases) -> None:
    limits = {"a": {"requests_per_second": 50}}
    refusal = Failure(FailureKind.RATE_LIMITED, "slow down", retry_after=timedelta(seconds=20))
    async with (
        asyncio.timeout(TEST_SECONDS),
        governing(leases, limits, worker="w1") as one,
        governing(leases, limits, worker="w2") as other,
    ):
        permit = await one.queue([A], a_job(), utc_now() + timedelta(seconds=TEST_SECONDS))
        assert permit is not None
        permit.end(0, refusal)
        while A.name not in other.openings([A], a_job()).parked:
            await other.queue([A], a_job(), utc_now() + timedelta(seconds=0.1))
