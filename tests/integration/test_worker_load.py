"""A worker shows how busy it is: what the ingresses go by when they promise."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from shared.contracts import Lane
from shared.load import LaneLoad, WorkerLoad
from simulator import Script
from tests.suites.fleet import Fleet, Servers, a_job, running_fleet


async def shown(fleet: Fleet, suits: Callable[[LaneLoad], bool]) -> LaneLoad:
    """The interactive lane of the only worker, once it suits."""
    async with asyncio.timeout(20):
        while True:
            for raw in (await fleet.redis.hgetall(fleet.keyspace.loads)).values():
                load = WorkerLoad.model_validate_json(raw).lanes[Lane.INTERACTIVE]
                if suits(load):
                    return load
            await asyncio.sleep(0.05)


async def test_a_worker_shows_what_waits_for_a_model_at_its_limit_and_how_fast_that_goes(
    kafka_url: str, redis_url: str, tmp_path: Path, fresh_name: Callable[[str], str]
) -> None:
    servers, scripts, limits = Servers(kafka_url, redis_url), {"m": Script(tokens=2)}, {"requests_per_second": 10}
    name = fresh_name("fleet")
    async with running_fleet(servers, tmp_path, name, scripts=scripts, quirks={}, limits=limits) as fleet:
        await fleet.start_worker()
        await fleet.submit(*(a_job(streamed=False, content=f"job {number}") for number in range(120)))
        held = (await shown(fleet, lambda load: bool(load.held_back))).held_back["m"]
        assert 0 < held.waiting["acme"] < 120
        assert 1 < held.per_second < 40


async def test_a_worker_shows_its_slots_who_waits_and_how_long_jobs_take_until_it_stops(
    kafka_url: str, redis_url: str, tmp_path: Path, fresh_name: Callable[[str], str]
) -> None:
    servers, scripts = Servers(kafka_url, redis_url), {"good": Script(tokens=20, gap=0.02)}
    async with running_fleet(servers, tmp_path, fresh_name("fleet"), scripts=scripts, quirks={}) as fleet:
        worker = await fleet.start_worker(SLUICE_INTERACTIVE_SLOTS="2")
        idle = await shown(fleet, lambda load: len(load.partitions) == 8)
        assert (idle.slots, idle.free, idle.waiting, idle.unnamed) == (2, 2, {}, 0)
        jobs = [a_job().model_copy(update={"tenant": tenant}) for tenant in ["acme"] * 12 + ["rival"] * 3]
        await fleet.submit(*jobs)
        full = await shown(fleet, lambda load: bool(load.waiting))
        assert full.free == 0
        assert 0 < full.waiting["acme"] <= 12
        await fleet.ended(*jobs)
        learnt = await shown(fleet, lambda load: load.free == 2)
        assert learnt.job_seconds != idle.job_seconds
        await worker.process.stop()
        assert await fleet.redis.hgetall(fleet.keyspace.loads) == {}
