"""A second call beside one that is slow to begin, by real workers: whoever begins first is heard, both are charged."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from shared.contracts import AttemptRole, AttemptStatus, Job, JobStatus, Lane
from shared.job_log import EventType
from simulator import Script
from tests.suites.fleet import Fleet, Servers, a_job, running_fleet, until

QUICK = {"tokens": 5, "first_token": 0.01}
LEARNT = 20
"""So many answers it takes to know what is slow."""

Start = Callable[..., AbstractAsyncContextManager[Fleet]]


@pytest.fixture
def start(kafka_url: str, redis_url: str, tmp_path: Path, fresh_name: Callable[[str], str]) -> Start:
    def begin(hedge: dict[str, object], **scripts: dict[str, object]) -> AbstractAsyncContextManager[Fleet]:
        played = {name: Script.model_validate(script) for name, script in scripts.items()}
        servers = Servers(kafka_url, redis_url)
        return running_fleet(servers, tmp_path, fresh_name("fleet"), scripts=played, quirks={}, hedge=hedge)

    return begin


async def learns(fleet: Fleet) -> None:
    jobs = [a_job(content=f"job {number}") for number in range(LEARNT)]
    for job in jobs:
        await fleet.submit(job)
        await fleet.ended(job)


def charged(fleet: Fleet, job: Job) -> dict[str, tuple[AttemptRole | None, AttemptStatus]]:
    return {each.deployment: (each.role, each.status) for each in fleet.usage if each.job_id == job.id}


async def test_who_begins_first_is_heard_and_the_other_is_stopped_and_charged(start: Start) -> None:
    stalls = QUICK | {"stall_after": 0, "every": LEARNT + 1}
    async with start({"most_share": 1.0, "least_seconds": 0.1}, a=stalls, b=QUICK) as fleet:
        await fleet.start_worker()
        await learns(fleet)
        slow = a_job(content="the slow one")
        await fleet.submit(slow)
        (result,) = await fleet.ended(slow)
        assert result.status == JobStatus.SUCCEEDED
        await until(lambda: len(charged(fleet, slow)) == 2, "both calls are charged")
        assert charged(fleet, slow) == {
            "sim/a": (AttemptRole.HEDGE_LOSER, AttemptStatus.CANCELLED),
            "sim/b": (AttemptRole.HEDGE, AttemptStatus.SUCCEEDED),
        }
        log = await fleet.log(slow)
        assert sum(entry.type is EventType.RESTART for entry in log) == 0
        assert result.model_served == "b"
        await until(lambda: len(fleet.simulator.served()) == LEARNT + 2, "the provider sees the first call closed")


async def test_the_first_call_wins_if_it_begins_after_all_and_the_second_is_stopped(start: Start) -> None:
    late = QUICK | {"stall_after": 0, "stall_for": 5.0, "every": LEARNT + 1}
    never = QUICK | {"stall_after": 0}
    async with start({"most_share": 1.0, "least_seconds": 0.1}, a=late, b=never) as fleet:
        await fleet.start_worker()
        await learns(fleet)
        slow = a_job(content="the slow one")
        await fleet.submit(slow)
        (result,) = await fleet.ended(slow)
        assert result.status == JobStatus.SUCCEEDED
        await until(lambda: len(charged(fleet, slow)) == 2, "both calls are charged")
        assert charged(fleet, slow) == {
            "sim/a": (AttemptRole.FIRST, AttemptStatus.SUCCEEDED),
            "sim/b": (AttemptRole.HEDGE_LOSER, AttemptStatus.CANCELLED),
        }


async def test_when_the_slow_one_fails_the_second_goes_on_alone(start: Start) -> None:
    cut = QUICK | {"opening": 0.5, "cut_after": 0, "every": LEARNT + 1}
    async with start({"most_share": 1.0, "least_seconds": 0.1}, a=cut, b=QUICK | {"first_token": 1.0}) as fleet:
        await fleet.start_worker()
        await learns(fleet)
        slow = a_job(content="the slow one")
        await fleet.submit(slow)
        (result,) = await fleet.ended(slow)
        assert result.status == JobStatus.SUCCEEDED
        assert result.attempts[-1].deployment in ("sim/a", "sim/b")


async def test_batch_jobs_and_a_used_up_share_have_no_second_call(start: Start) -> None:
    stalls = QUICK | {"stall_after": 0, "stall_for": 0.7, "every": LEARNT + 1}
    async with start({"most_share": 0.001, "least_seconds": 0.1}, a=stalls, b=QUICK) as fleet:
        await fleet.start_worker()
        await learns(fleet)
        for job in (a_job(content="slow"), a_job(lane=Lane.BATCH, content="batch")):
            await fleet.submit(job)
            await fleet.ended(job)
        assert {call.model for call in fleet.simulator.served()} == {"a"}


async def races(fleet: Fleet) -> Job:
    """A job that has two calls open, none of which says anything."""
    await fleet.start_worker()
    await learns(fleet)
    slow = a_job(content="the slow one")
    await fleet.submit(slow)
    await until(lambda: fleet.simulator.totals().in_flight == 2, "both have reached the provider")
    return slow


async def test_a_job_that_is_cancelled_stops_both_calls_and_both_are_charged(start: Start) -> None:
    stalls = QUICK | {"stall_after": 0, "every": LEARNT + 1}
    async with start({"most_share": 1.0, "least_seconds": 0.1}, a=stalls, b=QUICK | {"stall_after": 0}) as fleet:
        slow = await races(fleet)
        await fleet.cancel(slow)
        (result,) = await fleet.ended(slow)
        assert result.status == JobStatus.CANCELLED
        await until(lambda: len(charged(fleet, slow)) == 2, "both calls are charged")
        assert charged(fleet, slow) == {
            "sim/a": (AttemptRole.FIRST, AttemptStatus.CANCELLED),
            "sim/b": (AttemptRole.HEDGE, AttemptStatus.CANCELLED),
        }
        await until(lambda: len(fleet.simulator.served()) == LEARNT + 2, "the provider sees both closed")


async def test_a_worker_that_is_killed_between_two_calls_leaves_both_to_be_charged(start: Start) -> None:
    stalls = QUICK | {"stall_after": 0, "every": LEARNT + 1}
    once = QUICK | {"stall_after": 0, "first": 1}
    async with start({"most_share": 1.0, "least_seconds": 0.1}, a=stalls, b=once) as fleet:
        slow = await races(fleet)
        fleet.workers[0].process.kill()
        await fleet.start_worker()
        (result,) = await fleet.ended(slow, seconds=40)
        assert result.status == JobStatus.SUCCEEDED
        await until(lambda: sum(each.job_id == slow.id for each in fleet.usage) == 3, "three calls are charged")
        found = sorted((each.attempt, each.role, each.status) for each in fleet.usage if each.job_id == slow.id)
        assert [(role, status) for _, role, status in found] == [
            (AttemptRole.FIRST, AttemptStatus.ABANDONED),
            (AttemptRole.HEDGE, AttemptStatus.ABANDONED),
            (AttemptRole.FAILOVER, AttemptStatus.SUCCEEDED),
        ]
