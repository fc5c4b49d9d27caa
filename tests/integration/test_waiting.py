"""Jobs that cannot begin yet, on the real servers: they take no slot, cost no call, and none is lost on the way."""

import asyncio
import os
import signal
from collections.abc import Callable, Collection
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer

from shared.contracts import AttemptStatus, Job, JobStatus
from shared.placing import topic_for
from shared.topics import JOBS, TIERS, Topic
from simulator import Script
from tests.suites.fleet import Fleet, Servers, a_job, running_fleet, until

SHORTEST = TIERS[0]
A_TIER_LATER = SHORTEST.delay
"""By so much is late who is put off once more than he has to be."""

Start = Callable[..., AbstractAsyncContextManager[Fleet]]


@pytest.fixture
def start(kafka_url: str, redis_url: str, tmp_path: Path, fresh_name: Callable[[str], str]) -> Start:
    def begin(apart: Collection[str] = (), **scripts: dict[str, object]) -> AbstractAsyncContextManager[Fleet]:
        played = {name: Script.model_validate(script) for name, script in scripts.items()}
        servers = Servers(kafka_url, redis_url)
        return running_fleet(servers, tmp_path, fresh_name("fleet"), scripts=played, quirks={}, apart=apart)

    return begin


def parked_for(seconds: float) -> dict[str, object]:
    """The first call is refused with this `retry-after`."""
    return {"tokens": 5, "status": 429, "retry_after": seconds, "first": 1}


def scheduled(wait: float, seconds: float = 60, **fields: object) -> Job:
    job = a_job(**fields)  # type: ignore[arg-type]
    return job.model_copy(update={"not_before": after(wait), "deadline": after(wait + seconds)})


def after(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


async def publish(fleet: Fleet, topic: Topic, job: Job) -> None:
    await fleet.producer.send_and_wait(topic.at(fleet.prefix), job.to_bytes(), key=job.id.encode())


async def records(fleet: Fleet, topic: Topic, count: int) -> list[Job]:
    """Wait until the topic holds so many."""
    name = topic.at(fleet.prefix)
    async with (
        asyncio.timeout(20),
        AIOKafkaConsumer(
            name, bootstrap_servers=fleet.servers.kafka_url, auto_offset_reset="earliest", enable_auto_commit=False
        ) as consumer,
    ):
        return [Job.model_validate_json((await consumer.getone()).value) for _ in range(count)]


async def test_a_parked_job_waits_for_the_first_deployment_to_return_and_others_have_its_slot(start: Start) -> None:
    async with start(first=parked_for(50), second=parked_for(4), free={"tokens": 5}, apart=["free"]) as fleet:
        await fleet.start_worker(SLUICE_INTERACTIVE_SLOTS="1")
        parked, other = a_job(), a_job(model="free")
        await fleet.submit(parked)
        await until(lambda: len(fleet.simulator.served()) == 2, "both deployments refuse it")
        await fleet.submit(other)
        (there,) = await fleet.ended(other)
        assert parked.id not in {result.job_id for result in fleet.results}
        (result,) = await fleet.ended(parked)
        assert (there.status, result.status) == (JobStatus.SUCCEEDED, JobStatus.SUCCEEDED)
        assert [attempt.deployment for attempt in result.attempts] == ["sim/first", "sim/second", "sim/second"]
        waited = result.attempts[2].started_at - result.attempts[1].ended_at
        assert timedelta(seconds=4) <= waited < timedelta(seconds=50)


async def test_a_long_wait_is_spent_in_a_tier_and_an_older_record_means_nothing_meanwhile(start: Start) -> None:
    async with start(m=parked_for(6)) as fleet:
        await fleet.start_worker(SLUICE_INTERACTIVE_SLOTS="1")
        job = a_job()
        await fleet.submit(job)
        (put_off,) = await records(fleet, SHORTEST.topic, 1)
        assert put_off.not_before is not None
        assert (put_off.id, put_off.deferral) == (job.id, 1)
        await until(lambda: len(fleet.usage) == 1, "the refused attempt is told of at once")
        # As when the worker had died before it could commit: the record it had put off comes again.
        await fleet.submit(job)
        (result,) = await fleet.ended(job)
        assert result.status is JobStatus.SUCCEEDED
        assert [attempt.status for attempt in result.attempts] == [AttemptStatus.FAILED, AttemptStatus.SUCCEEDED]
        assert result.attempts[1].started_at >= put_off.not_before
        await until(lambda: len(fleet.told) == 4, "each attempt is told of, the first one at each change of hands")
        assert len(fleet.usage) == 2
        assert len(fleet.simulator.served()) == 2
        assert len(fleet.results) == 1


async def test_a_worker_that_dies_while_it_puts_a_job_off_loses_and_doubles_nothing(start: Start) -> None:
    async with start(m=parked_for(6)) as fleet:
        doomed = await fleet.start_worker()
        job = a_job()
        await fleet.submit(job)
        await records(fleet, SHORTEST.topic, 1)
        os.kill(doomed.process.pid, signal.SIGKILL)
        await fleet.start_worker()
        (result,) = await fleet.ended(job)
        behind = a_job()
        await publish(fleet, SHORTEST.topic, behind)
        await fleet.ended(behind)  # by then both records of the first have been dealt with
        assert result.status is JobStatus.SUCCEEDED
        assert [result.job_id for result in fleet.results].count(job.id) == 1
        calls = [call for call in fleet.simulator.served() if (call.client_request_id or "").startswith(job.id)]
        assert len(calls) == 2


async def test_scheduled_jobs_begin_in_time_and_expire_in_time_wherever_they_wait(start: Start) -> None:
    async with start(m={"tokens": 5}) as fleet:
        await fleet.start_worker()
        soon, later = scheduled(1), scheduled(SHORTEST.delay.total_seconds() + 1)
        hopeless = scheduled(30).model_copy(update={"deadline": after(1)})
        unwanted = scheduled(SHORTEST.delay.total_seconds())
        assert topic_for(later, datetime.now(UTC)) is SHORTEST.topic
        await publish(fleet, JOBS[soon.lane], soon)
        await publish(fleet, SHORTEST.topic, later)
        await publish(fleet, SHORTEST.topic, later)  # as when a mover had died before it could commit
        await publish(fleet, SHORTEST.topic, hopeless)
        await fleet.cancel(unwanted)
        await publish(fleet, SHORTEST.topic, unwanted)
        await fleet.producer.send_and_wait(SHORTEST.topic.at(fleet.prefix), b"no job")
        for job, result in zip((soon, later), await fleet.ended(soon, later), strict=True):
            assert result.status is JobStatus.SUCCEEDED
            assert result.started_at is not None
            assert job.not_before is not None
            assert timedelta() <= result.started_at - job.not_before < A_TIER_LATER
        expired, cancelled = await fleet.ended(hopeless, unwanted)
        assert (expired.status, cancelled.status) == (JobStatus.EXPIRED, JobStatus.CANCELLED)
        assert timedelta() <= expired.ended_at - hopeless.deadline < A_TIER_LATER
        assert len(fleet.simulator.served()) == 2
        assert len(fleet.results) == 4
        await until(lambda: len(fleet.dead_letters) == 1, "the bad record is buried")
