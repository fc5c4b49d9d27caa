"""Worker processes on the real servers: what dies, loses nothing; what moves, is not called twice."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import orjson
import pytest

from shared.contracts import AttemptRole, AttemptStatus, DeadLetterReason, Interruption, JobStatus, Lane, UsageSource
from shared.job_log import Entry, EventType, PlanNoted
from shared.topics import JOBS_INTERACTIVE
from simulator import Script
from tests.suites.fleet import Fleet, Servers, a_job, running_fleet, until
from tests.suites.timing import at_best

Start = Callable[..., AbstractAsyncContextManager[Fleet]]


@pytest.fixture
def start(kafka_url: str, redis_url: str, tmp_path: Path, fresh_name: Callable[[str], str]) -> Start:
    servers = Servers(kafka_url, redis_url)

    def begin(
        quirks: dict[str, bool] | None = None, **scripts: dict[str, object]
    ) -> AbstractAsyncContextManager[Fleet]:
        played = {name: Script.model_validate(script) for name, script in scripts.items()}
        return running_fleet(servers, tmp_path, fresh_name("fleet"), scripts=played, quirks=quirks or {})

    return begin


def text_of(entries: list[Entry]) -> str:
    """What a reader ends with: a restart voids what came before."""
    text = ""
    for entry in entries:
        if entry.type is EventType.RESTART:
            text = ""
        if entry.type is EventType.DELTA:
            text += "".join(choice["delta"].get("content") or "" for choice in orjson.loads(entry.data)["choices"])
    return text


def answer(result: object) -> str:
    return result.response["choices"][0]["message"]["content"]  # type: ignore[attr-defined]


async def test_a_job_is_streamed_ended_and_charged_once(start: Start) -> None:
    async with start(good={"tokens": 40, "gap": 0.005}) as fleet:
        await fleet.start_worker()
        job = a_job()
        await fleet.submit(job)
        (result,) = await fleet.ended(job)
        entries = await fleet.log(job)
        assert result.status is JobStatus.SUCCEEDED
        assert text_of(entries) == answer(result)
        assert [entry.type.is_terminal for entry in entries].count(True) == 1
        await until(lambda: bool(fleet.usage), "it is charged")
        (usage,) = fleet.usage
        (served,) = fleet.simulator.served()
        assert (usage.usage.input, usage.usage.output) == (served.prompt_tokens, served.output_tokens_reported)
        assert usage.usage_source is UsageSource.PROVIDER


async def test_before_the_first_token_failover_is_silent_and_both_attempts_are_charged(start: Start) -> None:
    async with start(first={"status": 500}, good={"tokens": 5}) as fleet:
        await fleet.start_worker()
        job = a_job()
        await fleet.submit(job)
        (result,) = await fleet.ended(job)
        assert result.status is JobStatus.SUCCEEDED
        assert EventType.RESTART not in {entry.type for entry in await fleet.log(job)}
        await until(lambda: len(fleet.usage) == 2, "both attempts are told")
        assert [attempt.status for attempt in fleet.usage] == [AttemptStatus.FAILED, AttemptStatus.SUCCEEDED]
        assert [attempt.role for attempt in fleet.usage] == [AttemptRole.FIRST, AttemptRole.FAILOVER]


async def test_after_a_cut_the_stream_restarts_and_ends_with_one_attempts_text(start: Start) -> None:
    async with start(first={"tokens": 50, "cut_after": 10, "gap": 0.005}, good={"tokens": 20}) as fleet:
        await fleet.start_worker()
        job = a_job()
        await fleet.submit(job)
        (result,) = await fleet.ended(job)
        entries = await fleet.log(job)
        assert [entry.type for entry in entries].count(EventType.RESTART) == 1
        assert text_of(entries) == answer(result)
        await until(lambda: len(fleet.usage) == 2, "both attempts are told")
        cut = next(attempt for attempt in fleet.usage if attempt.status is AttemptStatus.FAILED)
        assert (cut.usage_source, cut.usage.output) == (UsageSource.PARTIAL, 10)


async def test_a_job_that_must_not_restart_fails_with_what_was_shown(start: Start) -> None:
    async with start(first={"tokens": 50, "cut_after": 10, "gap": 0.005}, good={"tokens": 20}) as fleet:
        await fleet.start_worker()
        job = a_job(on_interrupt=Interruption.FAIL)
        await fleet.submit(job)
        (result,) = await fleet.ended(job)
        assert result.status is JobStatus.FAILED
        assert result.error is not None
        assert result.error.code == "stream_interrupted"
        assert text_of(await fleet.log(job)) == answer(result)


async def test_a_continued_job_goes_on_behind_the_shown_text(start: Start) -> None:
    async with start({"prefill": True}, good={"tokens": 30, "cut_after": 10, "first": 1, "gap": 0.005}) as fleet:
        await fleet.start_worker()
        job = a_job(on_interrupt=Interruption.CONTINUE)
        await fleet.submit(job)
        (result,) = await fleet.ended(job)
        entries = await fleet.log(job)
        assert EventType.RESTART not in {entry.type for entry in entries}
        assert text_of(entries) == answer(result)
        assert len(answer(result).split()) > 10
        assert len(fleet.simulator.served()) == 2


async def test_cancelling_closes_the_provider_call_within_200_ms(start: Start) -> None:
    async with start(good={"tokens": 2000, "gap": 0.02}) as fleet:
        await fleet.start_worker()

        async def cancelled() -> tuple[float, int]:
            job, before = a_job(), len(fleet.simulator.served())
            await fleet.submit(job)
            await fleet.shows(job, 5)
            began = time.monotonic()
            await fleet.cancel(job)
            await until(lambda: len(fleet.simulator.served()) > before, "the provider sees the client leave")
            seconds = time.monotonic() - began
            (result,) = await fleet.ended(job)
            await until(lambda: any(each.job_id == job.id for each in fleet.usage), "it is charged")
            (usage,) = [each for each in fleet.usage if each.job_id == job.id]
            served = fleet.simulator.served()[-1]
            assert result.status is JobStatus.CANCELLED
            assert usage.usage_source is UsageSource.PARTIAL
            assert 0 < usage.usage.output <= served.output_tokens_written
            return seconds, served.output_tokens_written - usage.usage.output

        seconds, unseen = await at_best(cancelled, lambda found: found[0] < 0.2 and found[1] <= 10)
        assert (seconds < 0.2, unseen <= 10) == (True, True)


async def test_a_job_cancelled_while_it_waits_never_reaches_a_provider(start: Start) -> None:
    async with start(good={"tokens": 5}) as fleet:
        job = a_job()
        await fleet.cancel(job)
        await fleet.submit(job)
        await fleet.start_worker()
        (result,) = await fleet.ended(job)
        assert result.status is JobStatus.CANCELLED
        assert fleet.simulator.served() == []


async def test_a_job_past_its_deadline_expires_without_a_call(start: Start) -> None:
    async with start(good={"tokens": 5}) as fleet:
        job = a_job(seconds=-1)
        await fleet.submit(job)
        await fleet.start_worker()
        (result,) = await fleet.ended(job)
        assert result.status is JobStatus.EXPIRED
        assert fleet.simulator.served() == []


async def test_a_killed_workers_jobs_end_elsewhere_once_and_its_attempts_are_charged(start: Start) -> None:
    # The calls that the doomed worker makes do not end by themselves, however long it is let live.
    async with start(good={"tokens": 200, "gap": 0.02, "stall_after": 150, "first": 20}) as fleet:
        doomed = await fleet.start_worker()
        jobs = [a_job(content=f"job {number}") for number in range(20)]
        await fleet.submit(*jobs)
        for job in jobs:
            await fleet.shows(job, 3)
        os.kill(doomed.process.pid, signal.SIGKILL)
        await fleet.start_worker()
        results = await fleet.ended(*jobs)
        assert {result.status for result in results} == {JobStatus.SUCCEEDED}
        assert len(fleet.results) == 20
        for job, result in zip(jobs, results, strict=True):
            assert text_of(await fleet.log(job)) == answer(result)
        await until(lambda: len(fleet.usage) == 40, "an abandoned and a succeeded attempt of each")
        served = {call.client_request_id: call for call in fleet.simulator.served()}
        for attempt in fleet.usage:
            call = served[attempt.attempt_id]
            if attempt.status is AttemptStatus.ABANDONED:
                assert attempt.usage_source is UsageSource.PARTIAL
                assert 0 < attempt.usage.output <= call.output_tokens_written
            else:
                assert attempt.usage.output == call.output_tokens_reported


async def test_a_worker_killed_after_a_restart_is_charged_for_its_own_tokens_only(start: Start) -> None:
    endless_at_first = {"tokens": 200, "gap": 0.02, "stall_after": 190, "first": 1}
    async with start(first={"tokens": 50, "cut_after": 20, "gap": 0.01}, good=endless_at_first) as fleet:
        doomed = await fleet.start_worker()
        job = a_job()
        await fleet.submit(job)
        await until(lambda: len(fleet.simulator.served()) == 1, "the first call is cut")
        await fleet.shows(job, len([each for each in await fleet.log(job) if each.type is EventType.DELTA]) + 5)
        os.kill(doomed.process.pid, signal.SIGKILL)
        await fleet.start_worker()
        (result,) = await fleet.ended(job)
        assert text_of(await fleet.log(job)) == answer(result)
        await until(lambda: len(fleet.simulator.served()) == len(fleet.usage), "every call is told of")
        served = {call.client_request_id: call.output_tokens for call in fleet.simulator.served()}
        (abandoned,) = (attempt for attempt in fleet.usage if attempt.status is AttemptStatus.ABANDONED)
        assert 0 < abandoned.usage.output <= served[abandoned.attempt_id]


async def test_what_a_dead_workers_call_has_cost_is_told_before_the_job_has_ended(start: Start) -> None:
    async with start(m={"tokens": 500, "gap": 0.05}) as fleet:
        doomed, job = await fleet.start_worker(), a_job()
        await fleet.submit(job)
        await fleet.shows(job, 3)
        os.kill(doomed.process.pid, signal.SIGKILL)
        await fleet.start_worker()
        await until(lambda: bool(fleet.usage), "the broken call is charged")
        assert [attempt.status for attempt in fleet.usage] == [AttemptStatus.ABANDONED]
        assert fleet.results == []


async def test_a_job_whose_workers_die_three_times_is_given_up(start: Start) -> None:
    async with start(m={"tokens": 500, "gap": 0.02}) as fleet:
        job = a_job()
        await fleet.submit(job)
        await fleet.dies_of(job, times=3)
        await fleet.start_worker()
        (result,) = await fleet.ended(job)
        assert result.status is JobStatus.FAILED
        assert result.error is not None
        assert result.error.code == "worker_crashed"
        assert len(fleet.simulator.served()) == 3


async def test_a_rebalance_costs_no_second_call(start: Start) -> None:
    never_dead = {"SLUICE_DEAD_AFTER_SECONDS": "60"}
    async with start(good={"tokens": 200, "gap": 0.02}) as fleet:
        await fleet.start_worker(**never_dead)
        jobs = [a_job(content=f"job {number}", streamed=number % 2 == 0) for number in range(40)]
        await fleet.submit(*jobs)
        await until(lambda: fleet.simulator.totals().in_flight == 40, "all run")
        await fleet.start_worker(**never_dead)
        await fleet.start_worker(**never_dead)
        await fleet.ended(*jobs)
        assert len(fleet.simulator.served()) == 40
        assert len(fleet.results) == 40


async def test_a_draining_worker_finishes_short_jobs_and_hands_over_long_ones_at_once(start: Start) -> None:
    endless_at_first = {"tokens": 200, "gap": 0.02, "stall_after": 150, "first": 1}
    async with start(m={"tokens": 20, "gap": 0.02}, slow=endless_at_first) as fleet:
        leaving = await fleet.start_worker(SLUICE_DEAD_AFTER_SECONDS="60")
        quick, slow = a_job(), a_job(model="slow")
        await fleet.submit(quick, slow)
        await fleet.shows(quick, 1)
        await fleet.shows(slow, 1)
        await fleet.start_worker()
        assert await leaving.process.stop(30) == 0
        results = await fleet.ended(quick, slow)  # within half of the heartbeat's 60 s
        assert [result.epoch for result in results] == [1, 2]
        assert {result.status for result in results} == {JobStatus.SUCCEEDED}
        assert text_of(await fleet.log(slow)) == answer(results[1])


async def test_a_bad_record_is_buried_with_its_reason_and_stops_nothing_behind_it(start: Start) -> None:
    async with start(good={"tokens": 5}) as fleet:
        await fleet.start_worker()
        topic = JOBS_INTERACTIVE.at(fleet.prefix)
        job = a_job()
        await fleet.producer.send_and_wait(topic, b"\xff not json", partition=0)
        await fleet.producer.send_and_wait(topic, b'{"id": 1}', partition=0)
        await fleet.producer.send_and_wait(topic, b"\xff" * 900_000, partition=0)
        await fleet.producer.send_and_wait(topic, job.to_bytes(), partition=0)
        await fleet.ended(job)
        await until(lambda: len(fleet.dead_letters) == 3, "all three are buried")
        by_offset = {letter.offset: letter for letter in fleet.dead_letters}
        assert by_offset[0].reason is DeadLetterReason.UNDECODABLE
        assert by_offset[0].value == b"\xff not json"
        assert by_offset[1].reason is DeadLetterReason.SCHEMA
        assert "id" in by_offset[1].message
        assert by_offset[2].lacks_value, "with its envelope it is larger than a record may be"


async def test_the_plan_of_a_job_is_known_while_it_runs(start: Start) -> None:
    async with start(first={"status": 500}, good={"tokens": 2000, "gap": 0.02}, spare={}) as fleet:
        await fleet.start_worker()
        job = a_job()
        await fleet.submit(job)
        await fleet.shows(job, 1)
        noted = await fleet.redis.hget(fleet.keyspace.job(job.id).claim, "a2")
        plan = PlanNoted.model_validate_json(noted).plan
        assert plan is not None
        assert [(each.deployment, each.verdict, each.reason) for each in plan] == [
            ("sim/first", "asked", "number 1 by priority: server_error"),
            ("sim/good", "asked", "number 2 by priority: running"),
            ("sim/spare", "spare", "number 3 by priority"),
        ]
        await fleet.cancel(job)
        await fleet.ended(job)


async def test_a_record_delivered_twice_is_run_once(start: Start) -> None:
    async with start(good={"tokens": 30, "gap": 0.02}) as fleet:
        await fleet.start_worker()
        job = a_job()
        await fleet.submit(job)
        await fleet.shows(job, 1)
        await fleet.submit(job)
        await fleet.ended(job)
        await fleet.submit(job)
        behind = a_job(content="behind it")
        await fleet.submit(behind)
        await fleet.ended(behind)
        assert sum(call.client_request_id == f"{job.id}.1" for call in fleet.simulator.served()) == 1
        assert [result.job_id for result in fleet.results].count(job.id) == 1


async def test_a_batch_job_runs_too(start: Start) -> None:
    async with start(good={"tokens": 5}) as fleet:
        await fleet.start_worker()
        job = a_job(lane=Lane.BATCH, streamed=False)
        await fleet.submit(job)
        (result,) = await fleet.ended(job)
        assert result.status is JobStatus.SUCCEEDED
        assert EventType.DELTA not in {entry.type for entry in await fleet.log(job)}


async def test_a_stream_survives_the_loss_of_its_log(start: Start) -> None:
    async with start(good={"tokens": 200, "gap": 0.02}) as fleet:
        await fleet.start_worker()
        job = a_job()
        await fleet.submit(job)
        await fleet.shows(job, 10)
        keys = fleet.keyspace.job(job.id)
        await fleet.redis.delete(keys.log, keys.claim, keys.readers)
        (result,) = await fleet.ended(job)
        assert result.status is JobStatus.SUCCEEDED
        assert text_of(await fleet.log(job)) == answer(result)


@pytest.fixture(autouse=True)
async def _no_task_is_left() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    left = {task for task in asyncio.all_tasks() - before if not task.done() and "fleet" in repr(task)}
    assert not left
