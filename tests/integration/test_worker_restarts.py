"""Worker processes that die and come back: the rest of the fleet does not notice."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import httpx
import pytest

from shared.contracts import JobStatus
from simulator import Script
from tests.suites.fleet import Fleet, Servers, Worker, a_job, running_fleet

SESSION: Final = {
    "SLUICE_SESSION_SECONDS": "60",
    "SLUICE_HEARTBEAT_SECONDS": "2",
    "SLUICE_DEAD_AFTER_SECONDS": "10",
}
"""Far longer than a test, and seats that a busy machine does not make run out: nothing moves but what is moved."""


@pytest.fixture
async def fleet(
    kafka_url: str, redis_url: str, tmp_path: Path, fresh_name: Callable[[str], str]
) -> AsyncIterator[Fleet]:
    servers = Servers(kafka_url, redis_url)
    scripts = {"good": Script(tokens=20, gap=0.01)}
    async with running_fleet(servers, tmp_path, fresh_name("fleet"), scripts=scripts, quirks={}) as fleet:
        yield fleet


async def rebalances(worker: Worker) -> float:
    async with httpx.AsyncClient() as client:
        exposed = (await client.get(f"http://127.0.0.1:{worker.probe_port}/metrics")).text
    return sum(float(line.split()[1]) for line in exposed.splitlines() if line.startswith("sluice_rebalances_total{"))


async def settled(witness: Worker) -> float:
    """How often it was dealt partitions, once it has understood what the last newcomer's coming has left it."""
    await witness.ready()
    return await rebalances(witness)


async def test_a_killed_worker_that_is_restarted_moves_no_partition_of_the_others(fleet: Fleet) -> None:
    witness = await fleet.start_worker(**SESSION)
    doomed = await fleet.start_worker(SLUICE_WORKER_NAME="doomed", **SESSION)
    deals = await settled(witness)
    doomed.process.kill()
    await doomed.process.wait()

    await fleet.start_worker(SLUICE_WORKER_NAME="doomed", **SESSION)
    jobs = [a_job(content=f"job {number}") for number in range(20)]
    await fleet.submit(*jobs)
    results = await fleet.ended(*jobs)

    assert {result.status for result in results} == {JobStatus.SUCCEEDED}
    assert await rebalances(witness) == deals


async def test_a_worker_that_stops_for_a_restart_keeps_its_partitions(fleet: Fleet) -> None:
    witness = await fleet.start_worker(**SESSION)
    stopped = await fleet.start_worker(SLUICE_ON_STOP="stay", **SESSION)
    deals = await settled(witness)
    assert await stopped.process.stop(10) == 0

    await fleet.start_worker(SLUICE_ON_STOP="stay", **SESSION)
    await asyncio.sleep(1)  # as long as some heartbeats: who was to rejoin has done so

    assert await rebalances(witness) == deals
