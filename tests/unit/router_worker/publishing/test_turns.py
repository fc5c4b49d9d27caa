"""Who is in a hurry is written at once and alone; the tick takes all others, and is longer when it comes late."""

import asyncio

import pytest

from services.router_worker.publishing.journal import Ending, Journal
from services.router_worker.publishing.turns import Turns, tick_after
from shared.job_log import Keyspace
from tests.suites.job_log_members import a_job


async def never(journal: Journal, what: Ending) -> bool:
    raise AssertionError("nothing ends here")


def a_journal(turns: Turns) -> Journal:
    job = a_job()
    return Journal(
        job=job,
        keys=Keyspace("test").job(job.id),
        epoch=1,
        ttl_ms=1000,
        on_fenced=lambda: None,
        claim={},
        base=0,
        wake=turns.note,
        finish=never,
        leave=lambda journal: None,
        kept=[b""],
    )


async def test_the_tick_takes_all_that_have_something_to_say() -> None:
    turns = Turns(0.001)
    first, second = a_journal(turns), a_journal(turns)
    turns.note(first, False)
    turns.note(second, False)
    turns.note(first, False)
    async with asyncio.timeout(5):
        assert await turns.next() == [first, second]


async def test_who_is_in_a_hurry_takes_nobody_along() -> None:
    turns = Turns(60)
    patient, hurried = a_journal(turns), a_journal(turns)
    turns.note(patient, False)
    turns.note(hurried, False)
    turns.note(hurried, True)
    turns.note(hurried, False)
    async with asyncio.timeout(5):
        assert await turns.next() == [hurried]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await turns.next()


async def test_a_tick_that_rang_during_a_write_is_not_forgotten() -> None:
    turns, rung = Turns(0.0), asyncio.Event()
    patient, hurried = a_journal(turns), a_journal(turns)
    turns.note(patient, False)
    turns.note(hurried, True)
    asyncio.get_running_loop().call_later(0.0, rung.set)  # behind the tick
    await rung.wait()
    async with asyncio.timeout(5):
        assert await turns.next() == [hurried, patient]


def test_a_late_tick_makes_the_next_one_longer_within_bounds() -> None:
    assert tick_after(0.0, 0.01) == tick_after(0.002, 0.01) == 0.01
    assert tick_after(0.02, 0.01) == pytest.approx(0.06)
    assert tick_after(10.0, 0.01) == 0.1
    assert tick_after(0.0, 1.0) == 1.0
