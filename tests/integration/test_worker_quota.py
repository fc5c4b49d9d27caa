"""Workers and a provider that refuses what is too much: they never let it come to that."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from shared.contracts import JobStatus, Lane
from simulator import Quota, Script
from tests.suites.fleet import Fleet, Servers, a_job, running_fleet, until

Start = Callable[..., AbstractAsyncContextManager[Fleet]]


@pytest.fixture
def start(kafka_url: str, redis_url: str, tmp_path: Path, fresh_name: Callable[[str], str]) -> Start:
    def begin(quota: Quota, limits: dict[str, object], *apart: str) -> AbstractAsyncContextManager[Fleet]:
        scripts = {name: Script(tokens=5) for name in ("m", *apart)}
        servers = Servers(kafka_url, redis_url)
        return running_fleet(
            servers, tmp_path, fresh_name("fleet"), scripts=scripts, quirks={}, quota=quota, limits=limits, apart=apart
        )

    return begin


async def test_two_workers_feed_a_provider_at_its_limit_and_it_refuses_nothing(start: Start) -> None:
    async with start(Quota(rps=20), {"requests_per_second": 20}) as fleet:
        await fleet.start_worker()
        await fleet.start_worker()
        jobs = [a_job(lane=Lane.BATCH, streamed=False, content=f"job {number}") for number in range(80)]
        await fleet.submit(*jobs)
        results = await fleet.ended(*jobs)
        assert {result.status for result in results} == {JobStatus.SUCCEEDED}
        assert [call.status for call in fleet.simulator.served()] == [200] * 80


async def test_what_nobody_has_configured_is_learned_from_headers(start: Start) -> None:
    async with start(Quota(rps=30), {}) as fleet:
        await fleet.start_worker()
        first = a_job(streamed=False)
        await fleet.submit(first)
        await fleet.ended(first)
        jobs = [a_job(lane=Lane.BATCH, streamed=False, content=f"job {number}") for number in range(90)]
        await fleet.submit(*jobs)
        await fleet.ended(*jobs)
        assert [call.status for call in fleet.simulator.served()] == [200] * 91


async def test_jobs_that_would_be_too_many_at_once_wait_for_each_other(start: Start) -> None:
    async with start(Quota(concurrency=3), {"concurrency": 3}) as fleet:
        await fleet.start_worker()
        await fleet.start_worker()
        jobs = [a_job(streamed=False, content=f"job {number}") for number in range(24)]
        await fleet.submit(*jobs)
        await fleet.ended(*jobs)
        assert [call.status for call in fleet.simulator.served()] == [200] * 24


async def test_a_backlog_for_a_deployment_at_its_limit_keeps_no_slot_from_others(start: Start) -> None:
    async with start(Quota(rps=4), {"requests_per_second": 4}, "free") as fleet:
        await fleet.start_worker(SLUICE_BATCH_SLOTS="4")
        backlog = [a_job(lane=Lane.BATCH, streamed=False, content=f"job {number}") for number in range(200)]
        await fleet.submit(*backlog)
        await until(lambda: fleet.results != [], "the first of them ends")
        other = a_job(model="free", lane=Lane.BATCH, streamed=False)
        await fleet.submit(other)
        await fleet.ended(other)
        assert len(fleet.results) < 150, "the other one has overtaken what waits for its turn at the provider"
