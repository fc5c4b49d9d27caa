"""Worker processes and the records they cannot work with."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest

from shared.contracts import DeadLetterReason, JobStatus
from shared.topics import JOBS_INTERACTIVE
from simulator import Script
from tests.suites.fleet import Fleet, Servers, Worker, a_job, running_fleet, until


@pytest.fixture
async def fleet(
    kafka_url: str, redis_url: str, tmp_path: Path, fresh_name: Callable[[str], str]
) -> AsyncIterator[Fleet]:
    servers = Servers(kafka_url, redis_url)
    scripts = {"m": Script(tokens=300, gap=0.02), "quick": Script(tokens=3)}
    async with running_fleet(servers, tmp_path, fresh_name("fleet"), scripts=scripts, quirks={}) as fleet:
        yield fleet


async def says(worker: Worker, path: str) -> tuple[int, str]:
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{worker.probe_port}{path}")
    return answer.status_code, answer.text


async def test_a_job_that_its_workers_die_of_ends_and_its_record_is_kept(fleet: Fleet) -> None:
    job = a_job()
    await fleet.submit(job)
    await fleet.dies_of(job, times=3)
    await fleet.start_worker()
    (result,) = await fleet.ended(job)
    assert result.error is not None
    assert result.error.code == "worker_crashed"
    await until(lambda: bool(fleet.dead_letters), "its record is kept")
    (letter,) = fleet.dead_letters
    assert (letter.reason, letter.tries, letter.tenant) == (DeadLetterReason.CRASHED, 3, job.tenant)
    assert letter.value == job.to_bytes()


async def test_a_job_that_meets_a_defect_every_time_ends_and_its_record_is_kept_with_the_stack(fleet: Fleet) -> None:
    await fleet.start_worker()
    job = a_job(model="quick")
    headers = [("traceparent", b"two\nlines")]  # which no HTTP client sends on
    await fleet.producer.send_and_wait(JOBS_INTERACTIVE.at(fleet.prefix), job.to_bytes(), headers=headers)
    (result,) = await fleet.ended(job)
    assert result.status is JobStatus.FAILED
    assert result.error is not None
    assert result.error.code == "internal_error"
    await until(lambda: bool(fleet.dead_letters), "its record is kept")
    (letter,) = fleet.dead_letters
    assert letter.stack is not None


async def test_too_many_bad_records_stop_the_lane_which_says_so_and_nothing_else(fleet: Fleet) -> None:
    worker = await fleet.start_worker(SLUICE_DEAD_LETTERS_MOST="3")
    topic = JOBS_INTERACTIVE.at(fleet.prefix)
    for number in range(10):
        await fleet.producer.send_and_wait(topic, b"bad %d" % number, partition=0)
    await until(lambda: len(fleet.dead_letters) == 3, "as many as allowed are set aside")
    async with asyncio.timeout(30):
        while (answer := await says(worker, "/readyz"))[0] != 503:  # the fourth is looked at in its own time
            await asyncio.sleep(0.05)
    assert "SLUICE_DEAD_LETTERS_MOST" in answer[1]
    assert (await says(worker, "/livez"))[0] == 200
    assert 'sluice_dead_letters_total{reason="undecodable"' in (await says(worker, "/metrics"))[1]

    assert await worker.process.stop(15) == 0
    await fleet.start_worker()
    job = a_job(model="quick")
    await fleet.submit(job)
    await fleet.ended(job)
    await until(lambda: len({letter.offset for letter in fleet.dead_letters}) == 10, "none was lost")
