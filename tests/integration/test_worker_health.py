"""What a worker process says of itself: what is missing by name, and that a restart would not help."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from devstack.server import Server
from devstack.stack import Stack
from shared.contracts import JobStatus
from simulator import Script
from tests.suites.fleet import Fleet, Servers, Worker, a_job, running_fleet


@pytest.fixture
async def fleet(servers: Stack, tmp_path: Path, fresh_name: Callable[[str], str]) -> AsyncIterator[Fleet]:
    urls = Servers(servers.urls.kafka_url, servers.urls.redis_url)
    scripts = {"good": Script(tokens=20, gap=0.01)}
    async with running_fleet(urls, tmp_path, fresh_name("fleet"), scripts=scripts, quirks={}) as fleet:
        yield fleet


async def asked(worker: Worker, path: str) -> tuple[int, dict[str, Any]]:
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{worker.probe_port}{path}")
    return answer.status_code, answer.json()


async def becomes(worker: Worker, is_so: Callable[[int, dict[str, str]], bool]) -> None:
    """Wait for what `/readyz` says; meanwhile the worker must be alive."""
    async with asyncio.timeout(60):
        while True:
            status, said = await asked(worker, "/readyz")
            assert (await asked(worker, "/livez"))[0] == 200
            if is_so(status, said["missing"]):
                return
            await asyncio.sleep(0.1)


@asynccontextmanager
async def away(server: Server) -> AsyncIterator[None]:
    await server.stop()
    try:
        yield
    finally:
        await server.start()
        await server.ready()


@pytest.mark.parametrize("name", ["kafka", "redis"])
async def test_a_server_that_is_away_is_named_and_no_reason_for_a_restart(
    servers: Stack, fleet: Fleet, name: str
) -> None:
    worker = await fleet.start_worker()
    async with away(servers.kafka if name == "kafka" else servers.valkey):
        await becomes(worker, lambda status, missing: status == 503 and name in missing)
    await becomes(worker, lambda status, missing: status == 200)
    job = a_job()
    await fleet.submit(job)
    (result,) = await fleet.ended(job)
    assert result.status is JobStatus.SUCCEEDED


async def test_a_worker_that_waits_for_its_servers_is_alive_and_says_what_for(servers: Stack, fleet: Fleet) -> None:
    starting: asyncio.Task[Worker] | None = None
    async with away(servers.valkey):
        starting = asyncio.create_task(fleet.start_worker())
        worker = await _begun(fleet)
        await becomes(worker, lambda status, missing: status == 503 and "redis" in missing)
    await starting


async def _begun(fleet: Fleet) -> Worker:
    async with asyncio.timeout(60):
        while True:
            if fleet.workers:
                try:
                    await asked(fleet.workers[0], "/livez")
                except httpx.TransportError:
                    pass
                else:
                    return fleet.workers[0]
            await asyncio.sleep(0.05)
