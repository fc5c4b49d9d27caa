"""A provider with several keys, before real workers: they take turns, and those that are no good are put aside."""

import os
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import httpx
import pytest

from shared.contracts import JobStatus, Lane
from simulator import Quota, Script
from tests.suites.fleet import Fleet, Servers, a_job, running_fleet, until

Start = Callable[..., AbstractAsyncContextManager[Fleet]]


@pytest.fixture
def start(kafka_url: str, redis_url: str, tmp_path: Path, fresh_name: Callable[[str], str]) -> Start:
    def begin(**settings: object) -> AbstractAsyncContextManager[Fleet]:
        return running_fleet(
            Servers(kafka_url, redis_url),
            tmp_path,
            fresh_name("fleet"),
            **{"scripts": {"a": Script(tokens=5)}, "quirks": {}, **settings},  # type: ignore[arg-type]
        )

    return begin


async def metrics(fleet: Fleet) -> str:
    async with httpx.AsyncClient() as client:
        return (await client.get(f"http://127.0.0.1:{fleet.workers[0].probe_port}/metrics")).text


async def test_a_key_that_is_refused_costs_one_call_and_no_job(start: Start) -> None:
    async with start(keys=("good-1", "good-2"), wrong_keys=("sk-revoked-secret",)) as fleet:
        worker = await fleet.start_worker()
        jobs = [a_job(content=f"job {number}") for number in range(12)]
        for job in jobs:
            await fleet.submit(job)
            await fleet.ended(job)
        statuses = Counter(call.status for call in fleet.simulator.served())
        assert {result.status for result in fleet.results} == {JobStatus.SUCCEEDED}
        assert statuses == {200: 12, 401: 1}
        by_key = Counter(call.api_key for call in fleet.simulator.served() if call.status == 200)
        assert min(by_key.values()) >= 5, "the two that are left take turns"
        assert 'sluice_keys_in_use{deployment="sim/a"} 2.0' in await metrics(fleet)
        shown = worker.log.read_text() + "".join(result.model_dump_json() for result in fleet.results)
        assert "sim/a key 3" in shown
        assert "revoked" not in shown, "no part of a key is told"
        await until(lambda: len(fleet.usage) == 13, "all calls are charged")
        assert {each.provider_key for each in fleet.usage if each.error_kind} == {"3"}
        (mended,) = (result for result in fleet.results if len(result.attempts) == 2)
        refused, served = (each.provider_key for each in mended.attempts)
        assert mended.plan
        assert (
            mended.plan[0].reason == f"number 1 by priority: auth with key {refused}, then succeeded with key {served}"
        )


async def test_a_key_that_one_worker_found_refused_is_used_by_none_for_no_model(start: Start) -> None:
    scripts = {"a": Script(tokens=5), "b": Script(tokens=5)}
    async with start(keys=("good-1", "good-2"), wrong_keys=("revoked",), scripts=scripts) as fleet:
        await fleet.start_worker()
        first = [a_job(model="a", content=f"job {number}") for number in range(4)]
        for job in first:
            await fleet.submit(job)
            await fleet.ended(job)
        await fleet.start_worker()
        jobs = [a_job(model="b", content=f"job {number}") for number in range(24)]
        await fleet.submit(*jobs)
        await fleet.ended(*jobs)
        assert Counter(call.status for call in fleet.simulator.served()) == {200: 28, 401: 1}


async def test_each_key_has_its_own_quota_and_all_of_them_are_used_up(start: Start) -> None:
    settings = {"keys": ("one", "other"), "quota": Quota(rps=10), "limits": {"requests_per_second": 10}}
    async with start(**settings) as fleet:
        await fleet.start_worker()
        jobs = [a_job(lane=Lane.BATCH, streamed=False, content=f"job {number}") for number in range(60)]
        await fleet.submit(*jobs)
        await fleet.ended(*jobs)
        calls = fleet.simulator.served()
        assert [call.status for call in calls] == [200] * 60
        by_key = Counter(call.api_key for call in calls)
        assert len(by_key) == 2
        assert min(by_key.values()) >= 20


async def test_when_no_key_is_taken_jobs_fail_as_that_and_it_can_be_alerted_on(start: Start) -> None:
    breaker = {"failures_in_a_row": 2, "open_seconds": 60, "most_open_seconds": 60}
    async with start(keys=("good",), wrong_keys=(), settings={"breaker": breaker}) as fleet:
        config = fleet.folder / "sluice.yaml"
        config.write_text(config.read_text().replace("good", "revoked"))
        worker = await fleet.start_worker()
        jobs = [a_job(content=f"job {number}") for number in range(5)]
        for job in jobs:
            await fleet.submit(job)
            await fleet.ended(job)
        assert {result.error.code for result in fleet.results if result.error} == {"provider_auth"}
        assert len(fleet.results) == 5
        assert len(fleet.simulator.served()) == 2, "nobody is called in vain any more"
        assert 'sluice_keys_in_use{deployment="sim/a"} 0.0' in await metrics(fleet)

        beside = config.with_suffix(".next")
        beside.write_text(config.read_text().replace("revoked", "good"))
        beside.replace(config)
        os.kill(worker.process.pid, signal.SIGHUP)
        await until(lambda: "config_taken" in worker.log.read_text(), "the file is taken")
        job = a_job(content="with another key")
        await fleet.submit(job)
        (result,) = await fleet.ended(job)
        assert result.status == JobStatus.SUCCEEDED, "another key is tried at once"
