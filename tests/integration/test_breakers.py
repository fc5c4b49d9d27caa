"""Deployments that keep failing, before real workers, and what these tell each other in Redis."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis

from services.router_worker.failures import FailureKind
from services.router_worker.fleet.breakers import RedisBreakers
from services.router_worker.governing.ports import News
from services.router_worker.resilience.breaker import Opened
from services.router_worker.resilience.keys import Resting
from shared.contracts import JobEnded, JobStatus, PlanVerdict
from shared.job_log import Keyspace
from shared.load import DeploymentHealth, WorkerLoad
from simulator import Script
from tests.suites.fleet import Fleet, Servers, Worker, a_job, running_fleet, until

CONNECT, CUT = FailureKind.CONNECT, FailureKind.CUT
DOWN = Script.model_validate({"tokens": 5, "status": 500})
WELL = Script(tokens=5)
TWO_IN_A_ROW: dict[str, object] = {"failures_in_a_row": 2, "open_seconds": 600, "most_open_seconds": 600}
"""Left alone for longer than any test takes."""

Start = Callable[..., AbstractAsyncContextManager[Fleet]]


@pytest.fixture
def keyspace(fresh_name: Callable[[str], str]) -> Keyspace:
    return Keyspace(fresh_name("ns"))


@pytest.fixture
def start(kafka_url: str, redis_url: str, tmp_path: Path, fresh_name: Callable[[str], str]) -> Start:
    def begin(
        breaker: dict[str, object] | None, bulkhead: dict[str, object] | None = None, **scripts: Script
    ) -> AbstractAsyncContextManager[Fleet]:
        return running_fleet(
            Servers(kafka_url, redis_url),
            tmp_path,
            fresh_name("fleet"),
            scripts=scripts,
            quirks={},
            settings={"breaker": breaker},
            bulkheads={"a": bulkhead},
        )

    return begin


async def shown(fleet: Fleet) -> dict[str, DeploymentHealth]:
    """By the only worker."""
    loads = await fleet.redis.hvals(fleet.keyspace.loads)
    return WorkerLoad.model_validate_json(loads[0]).deployments if loads else {}


def asked(fleet: Fleet) -> Counter[str]:
    return Counter(call.model for call in fleet.simulator.served())


async def one_by_one(fleet: Fleet, count: int) -> list[JobEnded]:
    ended = []
    for number in range(count):
        job = a_job(content=f"job {number}")
        await fleet.submit(job)
        ended += await fleet.ended(job)
    return ended


async def shows(worker: Worker, line: str) -> None:
    """Wait until the worker's metrics say so."""
    async with asyncio.timeout(60), httpx.AsyncClient(timeout=20) as client:
        while line not in (await client.get(f"http://127.0.0.1:{worker.probe_port}/metrics")).text:
            await asyncio.sleep(0.02)


async def told(fleet: Fleet) -> None:
    """Wait until a worker has told the others to leave `a` alone."""
    async with asyncio.timeout(30):
        while not await fleet.redis.hexists(fleet.keyspace.breakers, "sim/a"):
            await asyncio.sleep(0.02)


async def test_of_what_is_told_the_latest_time_counts_and_what_is_over_is_gone(
    redis: Redis, keyspace: Keyspace
) -> None:
    one, other = RedisBreakers(redis, keyspace), RedisBreakers(redis, keyspace)
    assert await one.share(News()) == News()
    await one.share(News({"p/a": Opened(30, 3, CONNECT), "p/b": Opened(0.05, 1, CUT)}))
    told = (await other.share(News({"p/a": Opened(5, 1, CUT), "p/c": Opened(20, 1, CUT)}))).opened
    assert told.keys() >= {"p/a", "p/c"}
    assert 20 < told["p/a"].seconds <= 30, "nobody makes it shorter"
    assert (told["p/a"].openings, told["p/a"].because) == (3, CONNECT)
    async with asyncio.timeout(10):
        while "p/b" in (await one.share(News())).opened:
            await asyncio.sleep(0.01)
    assert await redis.pttl(keyspace.breakers) <= 30_000


async def test_what_nobody_understands_is_passed_over(redis: Redis, keyspace: Keyspace) -> None:
    breakers = RedisBreakers(redis, keyspace)
    await breakers.share(News({"p/a": Opened(30, 3, CONNECT)}))
    await redis.hset(keyspace.breakers, "p/b", f"{2**45} word of_a_later_version")
    assert (await breakers.share(News())).opened.keys() == {"p/a"}


async def test_a_key_is_left_alone_until_somebody_says_that_it_may_be_used(redis: Redis, keyspace: Keyspace) -> None:
    one, other = RedisBreakers(redis, keyspace), RedisBreakers(redis, keyspace)
    refused = Resting(600, FailureKind.AUTH)
    await one.share(News({"p@1": Opened(30, 1, CUT)}, {"p@1": refused, "p/a@2": Resting(60, FailureKind.PERMISSION)}))
    heard = await other.share(News())
    assert heard.opened.keys() == {"p@1"}, "a deployment may be called like a key"
    assert heard.resting.keys() == {"p@1", "p/a@2"}
    assert heard.resting["p@1"].because is FailureKind.AUTH
    assert 590 < heard.resting["p@1"].seconds <= 600
    heard = await one.share(News(), ["p@1"])
    assert heard.resting.keys() == {"p/a@2"}
    assert heard.opened.keys() == {"p@1"}


async def test_a_deployment_that_keeps_failing_is_asked_no_more_by_any_worker_and_the_plan_says_why(
    start: Start,
) -> None:
    async with start(TWO_IN_A_ROW | {"failures_in_a_row": 3}, a=DOWN, b=WELL) as fleet:
        await fleet.start_worker()
        await fleet.start_worker()
        ended = await one_by_one(fleet, 5)
        for worker in fleet.workers:
            await shows(worker, 'sluice_breaker_state{deployment="sim/a"} 2.0')
        calls = asked(fleet)["a"]
        assert calls <= 5, "at most two at the other worker before it heard of it"
        ended += await one_by_one(fleet, 8)
        assert asked(fleet)["a"] == calls, "both leave it alone"
        assert {end.status for end in ended} == {JobStatus.SUCCEEDED}
        entry = next(each for each in ended[-1].plan or () if each.deployment == "sim/a")
        assert entry.verdict == PlanVerdict.SPARE
        assert "not before" in entry.reason
        assert "server_error" in entry.reason


async def test_a_job_waits_until_its_only_deployment_is_tried_again(start: Start) -> None:
    back = Script.model_validate({"tokens": 5, "status": 500, "first": 2})
    async with start({"failures_in_a_row": 2, "open_seconds": 1, "probes": 1}, a=back) as fleet:
        await fleet.start_worker()
        first, *others = [a_job(content=f"job {number}") for number in range(6)]
        await fleet.submit(first)
        await until(lambda: asked(fleet)["a"] == 2, "it fails twice")
        await fleet.submit(*others)
        ended = await fleet.ended(*others)
        assert {end.status for end in ended} == {JobStatus.SUCCEEDED}
        assert asked(fleet)["a"] == 2 + 5, "nobody was refused but by the first two calls"


async def test_a_callers_own_mistakes_keep_nobody_from_a_deployment(start: Start) -> None:
    strict = Script.model_validate({"tokens": 5, "status": 400, "first": 4})
    async with start(TWO_IN_A_ROW, a=strict) as fleet:
        await fleet.start_worker()
        ended = await one_by_one(fleet, 5)
        assert [end.status for end in ended] == [JobStatus.FAILED] * 4 + [JobStatus.SUCCEEDED]


async def test_a_worker_that_cannot_reach_redis_for_a_while_still_leaves_it_alone(start: Start) -> None:
    async with start(TWO_IN_A_ROW, a=DOWN, b=WELL) as fleet:
        await fleet.start_worker()
        await one_by_one(fleet, 3)
        assert asked(fleet)["a"] == 2
        await fleet.redis.delete(fleet.keyspace.breakers)  # as FLUSHALL does it
        await one_by_one(fleet, 2)
        assert asked(fleet)["a"] == 2
        await told(fleet)


async def test_what_a_killed_worker_had_found_is_known_to_the_next_one(start: Start) -> None:
    async with start(TWO_IN_A_ROW, a=DOWN, b=WELL) as fleet:
        first = await fleet.start_worker()
        await one_by_one(fleet, 3)
        await told(fleet)
        first.process.kill()
        await first.process.wait()
        second = await fleet.start_worker()
        await shows(second, 'sluice_breaker_state{deployment="sim/a"} 2.0')
        await one_by_one(fleet, 2)
        assert asked(fleet)["a"] == 2


async def test_it_is_asked_after_before_a_job_tries_it_again(start: Start) -> None:
    async with start({"failures_in_a_row": 2, "open_seconds": 5, "most_open_seconds": 5}, a=DOWN, b=WELL) as fleet:
        worker = await fleet.start_worker()
        await one_by_one(fleet, 3)
        await shows(worker, 'sluice_probes_total{deployment="sim/a",outcome="answered"}')
        assert asked(fleet)["a"] == 2, "nobody but the probe has asked"


async def test_a_worker_shows_how_its_deployments_do(start: Start) -> None:
    async with start(TWO_IN_A_ROW, a=DOWN, b=WELL) as fleet:
        await fleet.start_worker()
        await one_by_one(fleet, 3)
        async with asyncio.timeout(30):
            while (seen := await shown(fleet)).get("sim/b", DeploymentHealth()).calls < 3:
                await asyncio.sleep(0.05)
        assert (seen["sim/a"].state, seen["sim/a"].because) == ("open", "server_error")
        assert seen["sim/a"].until is not None
        assert seen["sim/b"].state == "closed"
        assert (seen["sim/b"].calls, seen["sim/b"].failures) == (3, 0)
        assert seen["sim/b"].first_token_seconds is not None


async def test_a_full_bulkhead_keeps_a_slow_deployment_from_taking_all_and_others_serve(start: Start) -> None:
    slow = Script(tokens=5, first_token=5.0)  # longer than the others may take to come in
    async with start(None, {"calls": 2, "wait_seconds": 0.1}, a=slow, b=WELL) as fleet:
        await fleet.start_worker()
        jobs = [a_job(content=f"job {number}") for number in range(10)]
        await fleet.submit(*jobs)
        ended = await fleet.ended(*jobs)
        assert {end.status for end in ended} == {JobStatus.SUCCEEDED}
        assert asked(fleet) == {"a": 2, "b": 8}
