"""Permits where a deployment keeps failing, or may take only a part of the worker."""

import asyncio
from datetime import timedelta
from typing import Final

import pytest

from services.router_worker.failures import Failure, FailureKind
from services.router_worker.governing.governor import Governor
from services.router_worker.resilience.reactions import REACTIONS, Blame
from services.router_worker.routing.steps import OPEN
from shared.clock import utc_now
from tests.suites.governing import BookHere, Counts, SharedHere, a_job, candidate, governing, stands_in_line, until

A, B = candidate("a"), candidate("b")
BROKEN = Failure(FailureKind.SERVER_ERROR, "no")
TEST_SECONDS = 30
BREAKER: Final = {"failures_in_a_row": 2, "open_seconds": 1, "most_open_seconds": 2, "probes": 1}
LONG: Final = {"failures_in_a_row": 2, "open_seconds": 20, "probes": 1}


def fails(governor: Governor, times: int) -> None:
    for _ in range(times):
        governor.take(A, a_job()).end(0, BROKEN)


async def test_a_deployment_that_keeps_failing_is_left_alone_and_says_why() -> None:
    counts = Counts()
    async with governing(BookHere(), {"a": {}, "b": {}}, breaker=LONG, counts=counts) as governor:
        fails(governor, 1)
        assert governor.openings([A], a_job()) is OPEN
        fails(governor, 1)
        openings = governor.openings([A, B], a_job())
        assert openings.parked.keys() == {"p/a"}
        obstacle = openings.parked["p/a"]
        assert timedelta(seconds=9) < obstacle.until - utc_now() <= timedelta(seconds=20)
        assert obstacle.because.kind is FailureKind.SERVER_ERROR
        assert "p/a" in obstacle.because.message
    assert counts.openings == {"found": 1}


async def test_after_a_while_one_job_tries_it_and_the_others_begin_when_that_is_answered() -> None:
    async with governing(BookHere(), {"a": {}}, breaker=BREAKER) as governor, asyncio.timeout(TEST_SECONDS):
        fails(governor, 2)
        await until(lambda: governor.openings([A], a_job()) is OPEN)
        trying = governor.take(A, a_job())
        assert governor.openings([A], a_job()).full == {"p/a": 1.0}
        waiting = [await stands_in_line(governor) for _ in range(5)]
        trying.answered()
        assert all(await asyncio.gather(*waiting))
        assert governor.openings([A], a_job()) is OPEN


async def test_when_the_try_fails_those_in_line_are_sent_elsewhere() -> None:
    async with governing(BookHere(), {"a": {}}, breaker=BREAKER) as governor, asyncio.timeout(TEST_SECONDS):
        fails(governor, 2)
        await until(lambda: governor.openings([A], a_job()) is OPEN)
        trying = governor.take(A, a_job())
        waiting = await stands_in_line(governor)
        trying.end(0, BROKEN)
        assert await waiting is None
        assert "p/a" in governor.openings([A], a_job()).parked


async def test_what_one_worker_finds_spares_the_others_their_calls() -> None:
    shared, counts, book = SharedHere(), Counts(), BookHere()
    async with (
        governing(book, {"a": {}}, worker="w1", breaker=LONG, sharing=shared) as one,
        governing(book, {"a": {}}, worker="w2", breaker=LONG, sharing=shared, counts=counts) as other,
    ):
        waiting = await stands_in_line(other) if other.openings([A], a_job()).full else None
        assert waiting is None
        fails(one, 2)
        await until(lambda: "p/a" in other.openings([A], a_job()).parked)
        theirs = one.openings([A], a_job()).parked["p/a"].until
        assert abs(other.openings([A], a_job()).parked["p/a"].until - theirs) < timedelta(seconds=0.5)
    assert counts.openings == {"heard": 1}


async def test_no_worker_shortens_what_another_has_found() -> None:
    shared, book = SharedHere(), BookHere()
    short = {**LONG, "open_seconds": 4}
    async with (
        governing(book, {"a": {}}, worker="w1", breaker=LONG, sharing=shared) as one,
        governing(book, {"a": {}}, worker="w2", breaker=short, sharing=shared) as other,
    ):
        fails(one, 2)
        fails(other, 2)
        await until(lambda: shared.told > 4)
        for each in (one, other):
            until_when = each.openings([A], a_job()).parked["p/a"].until
            assert until_when - utc_now() > timedelta(seconds=7), "the longer of 2 to 4 and 10 to 20"


async def test_while_redis_is_away_a_worker_goes_by_what_it_knows_and_tells_it_afterwards() -> None:
    shared = SharedHere(away=True)
    async with governing(BookHere(), {"a": {}}, breaker=LONG, sharing=shared) as governor:
        fails(governor, 2)
        assert "p/a" in governor.openings([A], a_job()).parked
        shared.away = False
        await until(lambda: "p/a" in shared.until)
        shared.until.clear()  # FLUSHALL
        await until(lambda: "p/a" in shared.until)


async def test_a_bulkhead_lets_in_so_many_and_the_next_when_one_has_ended() -> None:
    async with (
        governing(BookHere(), {"a": {}}, bulkhead={"calls": 2, "wait_seconds": 7}) as governor,
        asyncio.timeout(TEST_SECONDS),
    ):
        permits = [governor.take(A, a_job()) for _ in range(2)]
        assert governor.openings([A], a_job()).full == {"p/a": 7.0}
        waiting = await stands_in_line(governor)
        permits[0].end(0, None)
        assert await waiting is not None
        assert governor.openings([A], a_job()).full == {"p/a": 7.0}


async def test_a_bulkhead_and_a_quota_are_both_kept() -> None:
    async with (
        governing(BookHere(), {"a": {"requests_per_second": 100}}, bulkhead={"calls": 1}) as governor,
        asyncio.timeout(TEST_SECONDS),
    ):
        waiting = [await stands_in_line(governor) for _ in range(8)]
        served = 0
        while waiting:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            (first,) = done
            waiting.remove(first)
            permit = await first
            assert permit is not None
            permit.end(1, None)
            served += 1
        assert served == 8


async def test_one_who_is_cancelled_just_when_it_is_let_in_gives_the_place_back() -> None:
    async with (
        governing(BookHere(), {"a": {}}, bulkhead={"calls": 1}) as governor,
        asyncio.timeout(TEST_SECONDS),
    ):
        permit = governor.take(A, a_job())
        waiting = await stands_in_line(governor)
        permit.end(0, None)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        await until(lambda: governor.openings([A], a_job()) is OPEN)


@pytest.mark.parametrize("kind", FailureKind)
async def test_only_what_speaks_against_the_deployment_or_its_last_key_opens_its_breaker(kind: FailureKind) -> None:
    keys = {FailureKind.AUTH, FailureKind.PERMISSION, FailureKind.QUOTA_EXHAUSTED}
    async with governing(BookHere(), {"a": {}}, breaker=LONG) as governor:
        for _ in range(10):
            if governor.openings([A], a_job()) is OPEN:
                governor.take(A, a_job()).end(0, Failure(kind, "no"))
        parked = governor.openings([A], a_job()).parked
    speaks = REACTIONS[kind].blame is Blame.DEPLOYMENT or kind in keys
    assert ("p/a" in parked) is speaks
