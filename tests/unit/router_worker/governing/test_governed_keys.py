"""Permits of a provider that has several keys, at one worker and at several."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Final

from services.router_worker.failures import Failure, FailureKind
from services.router_worker.routing.steps import OPEN
from shared.clock import utc_now
from tests.suites.governing import BookHere, SharedHere, a_job, candidate, governing, stands_in_line, until

A, B = candidate("a"), candidate("b")
TEST_SECONDS = 30
BREAKER: Final = {"failures_in_a_row": 2, "open_seconds": 1, "most_open_seconds": 2, "probes": 1}
LONG: Final = {"failures_in_a_row": 2, "open_seconds": 20, "probes": 1}


async def test_the_keys_of_a_provider_take_turns() -> None:
    async with governing(BookHere(), {"a": {}}, keys=3) as governor:
        assert Counter(governor.take(A, a_job()).key for _ in range(30)) == {0: 10, 1: 10, 2: 10}


async def test_a_key_that_is_refused_is_used_no_more_and_the_others_are() -> None:
    async with governing(BookHere(), {"a": {}}, keys=3) as governor:
        permit = governor.take(A, a_job())
        permit.end(0, Failure(FailureKind.AUTH, "no"))
        assert permit.another_key()
        assert permit.key not in {governor.take(A, a_job()).key for _ in range(20)}


async def test_a_key_at_its_limit_rests_until_its_time_and_then_is_used_again() -> None:
    async with governing(BookHere(), {"a": {}}, keys=2) as governor, asyncio.timeout(TEST_SECONDS):
        permit = governor.take(A, a_job())
        permit.end(0, Failure(FailureKind.RATE_LIMITED, "slow", retry_after=timedelta(seconds=0.3)))
        others = [governor.take(A, a_job()) for _ in range(10)]
        assert {other.key for other in others} == {1 - permit.key}
        assert not others[0].another_key()
        await until(others[0].another_key)


async def test_when_all_keys_rest_the_deployment_is_parked_until_the_first_is_back() -> None:
    async with governing(BookHere(), {"a": {}}, keys=2) as governor:
        for seconds in (40, 20):
            permit = governor.take(A, a_job())
            failure = Failure(FailureKind.RATE_LIMITED, "slow", retry_after=timedelta(seconds=seconds))
            permit.end(0, failure)
        assert not permit.another_key()
        obstacle = governor.openings([A], a_job()).parked["p/a"]
        assert obstacle.because.kind is FailureKind.RATE_LIMITED
        assert timedelta(seconds=15) < obstacle.until - utc_now() < timedelta(seconds=21)


async def test_a_provider_that_takes_no_key_any_more_fails_jobs_by_its_refusal_and_is_tried_again_now_and_then() -> (
    None
):
    async with governing(BookHere(), {"a": {}}, keys=2, breaker=BREAKER) as governor, asyncio.timeout(TEST_SECONDS):
        for _ in range(3):
            governor.take(A, a_job()).end(0, Failure(FailureKind.AUTH, "no"))
        assert governor.openings([A], a_job()).parked["p/a"].because.kind is FailureKind.AUTH
        await until(lambda: governor.openings([A], a_job()) is OPEN)
        trying = governor.take(A, a_job())
        trying.answered()
        trying.end(1, None)
        assert {governor.take(A, a_job()).key for _ in range(4)} == {0, 1}, "the other one may be as good"


async def test_a_job_that_waits_in_a_line_of_a_key_that_is_refused_looks_again() -> None:
    limits = {"a": {"concurrency": 1}}
    async with governing(BookHere(), limits, keys=2) as governor, asyncio.timeout(TEST_SECONDS):
        permits = [await (await stands_in_line(governor)) for _ in range(2)]
        waiting = await stands_in_line(governor)
        assert permits[0] is not None
        assert permits[1] is not None
        assert {permits[0].key, permits[1].key} == {0, 1}, "each key has a place of its own"
        permits[0].end(0, Failure(FailureKind.AUTH, "no"))
        assert await waiting is None
        waiting = await stands_in_line(governor)
        permits[1].end(1, None)
        let_in = await waiting
        assert let_in is not None
        assert let_in.key == permits[1].key


async def test_a_key_that_another_worker_found_refused_is_tried_by_nobody_for_no_model() -> None:
    shared, book, limits = SharedHere(), BookHere(), {"a": {}, "b": {}}
    async with (
        governing(book, limits, worker="w1", keys=2, sharing=shared) as one,
        governing(book, limits, worker="w2", keys=2, sharing=shared) as other,
        asyncio.timeout(TEST_SECONDS),
    ):
        refused = one.take(A, a_job())
        refused.end(0, Failure(FailureKind.AUTH, "no"))
        await until(lambda: refused.key not in {other.take(B, a_job()).key for _ in range(4)})
        assert refused.key not in {one.take(B, a_job()).key for _ in range(4)}


async def test_keys_that_two_workers_found_refused_at_once_are_tried_by_both() -> None:
    shared, book = SharedHere(), BookHere()
    async with (
        governing(book, {"a": {}}, worker="w1", keys=2, breaker=BREAKER, sharing=shared) as one,
        governing(book, {"a": {}}, worker="w2", keys=2, breaker=BREAKER, sharing=shared) as other,
        asyncio.timeout(TEST_SECONDS),
    ):
        for governor, key in ((one, 0), (other, 1)):
            permits = [governor.take(A, a_job()) for _ in range(2)]
            next(permit for permit in permits if permit.key == key).end(0, Failure(FailureKind.AUTH, "no"))
        await until(lambda: len(shared.keys) == 2)
        for governor in (one, other):
            await until(lambda governor=governor: len({governor.take(A, a_job()).key for _ in range(8)}) == 2)
            assert governor.openings([A], a_job()) is OPEN


async def test_a_provider_that_takes_its_keys_again_is_known_to_all_workers() -> None:
    shared, book = SharedHere(), BookHere()
    async with (
        governing(book, {"a": {}}, worker="w1", keys=2, breaker=BREAKER, sharing=shared) as one,
        governing(book, {"a": {}}, worker="w2", keys=2, breaker=BREAKER, sharing=shared) as other,
        asyncio.timeout(TEST_SECONDS),
    ):
        for _ in range(4):
            one.take(A, a_job()).end(0, Failure(FailureKind.AUTH, "no"))
        await until(lambda: "p/a" in other.openings([A], a_job()).parked)
        assert len(shared.keys) == 2
        await until(lambda: one.openings([A], a_job()) is OPEN)
        trying = one.take(A, a_job())
        trying.answered()
        trying.end(1, None)
        await until(lambda: not shared.keys)


async def test_a_breaker_that_opened_for_a_key_says_nothing_of_another_key_in_its_place() -> None:
    shared, book = SharedHere(), BookHere()
    async with governing(book, {"a": {}}, keys=1, breaker=LONG, sharing=shared) as governor:
        for _ in range(2):
            governor.take(A, a_job()).end(0, Failure(FailureKind.AUTH, "no"))
        assert "p/a" in governor.openings([A], a_job()).parked
        await until(lambda: bool(shared.until))
    told = shared.told
    async with governing(book, {"a": {}}, worker="w2", keys=0, breaker=LONG, sharing=shared) as renewed:
        await until(lambda: shared.told > told)
        assert renewed.openings([A], a_job()) is OPEN
    async with governing(book, {"a": {}}, worker="w3", keys=1, breaker=LONG, sharing=shared) as same:
        await until(lambda: "p/a" in same.openings([A], a_job()).parked)
