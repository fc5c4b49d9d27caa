"""Permits as a journey meets them: at once where there is no limit, in line where there is one."""

import asyncio
from datetime import timedelta

import pytest

from services.router_worker.events import LimitKind, RateLimit
from services.router_worker.failures import Failure, FailureKind
from services.router_worker.quota.account import Account
from services.router_worker.quota.book import Lease
from services.router_worker.quota.gate import Waiting
from services.router_worker.quota.lesson import Lesson, Noted
from services.router_worker.routing.steps import OPEN
from shared.clock import utc_now
from shared.config.schema import Quota
from shared.contracts import Lane
from tests.suites.governing import BookHere, Counts, a_job, candidate, governing

A, B = candidate("a"), candidate("b")
REFUSED = Failure(FailureKind.RATE_LIMITED, "slow down")
TEST_SECONDS = 10


@pytest.fixture
def book() -> BookHere:
    return BookHere()


async def test_without_a_limit_nothing_waits_and_nobody_is_asked(book: BookHere) -> None:
    async with governing(book, {"a": {}}) as governor:
        for _ in range(1000):
            assert governor.openings([A], a_job()) is OPEN
            governor.take(A, a_job()).end(10, None)
    assert book.asks == []


async def test_a_call_waits_for_its_lease_and_the_wait_is_counted(book: BookHere) -> None:
    counts = Counts()
    async with governing(book, {"a": {"requests_per_minute": 600}}, counts=counts) as governor, asyncio.timeout(9):
        job = a_job(Lane.INTERACTIVE)
        assert governor.openings([A], job).full == {"p/a": None}
        permit = await governor.queue([A], job, job.deadline)
        assert permit is not None
        assert permit.candidate == A
    assert len(counts.waits) == 1
    assert counts.leases == {"all": 1}


async def test_many_that_wait_are_served_with_few_leases(book: BookHere) -> None:
    async with governing(book, {"a": {"requests_per_second": 400}}) as governor, asyncio.timeout(TEST_SECONDS):
        jobs = [a_job() for _ in range(400)]
        await asyncio.gather(*(governor.queue([A], job, job.deadline) for job in jobs))
    assert len(book.asks) <= 40


async def test_whoever_is_let_in_somewhere_leaves_the_other_lines(book: BookHere) -> None:
    limits = {"a": {"requests_per_minute": 1}, "b": {"requests_per_minute": 1}}
    async with governing(book, limits) as governor, asyncio.timeout(TEST_SECONDS):
        jobs = [a_job(), a_job()]
        permits = await asyncio.gather(*(governor.queue([A, B], job, job.deadline) for job in jobs))
        assert {permit.candidate for permit in permits if permit} == {A, B}
        late = a_job(seconds=0.2)
        assert await governor.queue([A, B], late, late.deadline) is None


async def test_a_line_is_left_in_time(book: BookHere) -> None:
    async with governing(book, {"a": {"requests_per_minute": 1}}) as governor, asyncio.timeout(TEST_SECONDS):
        assert await governor.queue([A], a_job(), utc_now() + timedelta(seconds=30))
        assert await governor.queue([A], a_job(), utc_now() + timedelta(seconds=0.05)) is None


async def test_a_job_that_is_cancelled_in_line_takes_nothing(book: BookHere) -> None:
    async with governing(book, {"a": {"concurrency": 1}}) as governor, asyncio.timeout(TEST_SECONDS):
        first = await governor.queue([A], a_job(), utc_now() + timedelta(seconds=30))
        assert first is not None
        cancelled = asyncio.create_task(governor.queue([A], a_job(), utc_now() + timedelta(seconds=30)))
        await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.wait([cancelled])
        first.end(0, None)
        assert await governor.queue([A], a_job(), utc_now() + timedelta(seconds=5))


async def test_a_place_is_free_when_the_call_has_ended(book: BookHere) -> None:
    async with governing(book, {"a": {"concurrency": 1}}) as governor, asyncio.timeout(TEST_SECONDS):
        permit = await governor.queue([A], a_job(), utc_now() + timedelta(seconds=5))
        assert permit is not None
        waiting = asyncio.create_task(governor.queue([A], a_job(), utc_now() + timedelta(seconds=5)))
        permit.end(10, None)
        assert await waiting is not None


async def test_tokens_that_were_not_used_let_others_in(book: BookHere) -> None:
    async with governing(book, {"a": {"tokens_per_minute": 6000}}) as governor, asyncio.timeout(TEST_SECONDS):
        until = utc_now() + timedelta(seconds=30)
        greedy = await governor.queue([A], a_job(tokens=0, max_tokens=3000), until)
        assert greedy is not None
        waiting = asyncio.create_task(governor.queue([A], a_job(tokens=10, max_tokens=10), until))
        greedy.end(5, None)
        assert await waiting is not None


async def test_a_refusal_keeps_everybody_away_for_as_long_as_the_provider_says(book: BookHere) -> None:
    async with governing(book, {"a": {}}, worker="w1") as one, governing(book, {"a": {}}, worker="w2") as other:
        failure = Failure(FailureKind.RATE_LIMITED, "slow down", retry_after=timedelta(seconds=30))
        one.take(A, a_job()).end(0, failure)
        parked = one.openings([A], a_job()).parked["p/a"]
        assert parked.because.kind is FailureKind.RATE_LIMITED
        assert timedelta(seconds=25) < parked.until - utc_now() < timedelta(seconds=31)
        other.take(A, a_job()).end(0, REFUSED)  # it asks the book now, and hears of the other's lesson
        async with asyncio.timeout(TEST_SECONDS):
            while "p/a" not in other.openings([A], a_job()).parked:
                await asyncio.sleep(0.005)


async def test_those_who_wait_are_sent_elsewhere_when_a_deployment_is_parked(book: BookHere) -> None:
    async with governing(book, {"a": {"concurrency": 1}}) as governor, asyncio.timeout(TEST_SECONDS):
        until = utc_now() + timedelta(seconds=30)
        permit = await governor.queue([A], a_job(), until)
        assert permit is not None
        waiting = asyncio.create_task(governor.queue([A], a_job(), until))
        await asyncio.sleep(0)
        permit.end(0, Failure(FailureKind.RATE_LIMITED, "no", retry_after=timedelta(seconds=20)))
        assert await waiting is None


async def test_limits_that_headers_tell_are_kept(book: BookHere) -> None:
    async with governing(book, {"a": {}}) as governor:
        permit = governor.take(A, a_job())
        permit.hear([RateLimit(LimitKind.REQUESTS, 60, 59, timedelta(seconds=1))])
        permit.end(10, None)
        assert governor.openings([A], a_job()).full == {"p/a": None}


async def test_while_the_book_is_away_a_worker_goes_on_with_less(book: BookHere) -> None:
    counts = Counts()
    book.away = True
    async with (
        asyncio.timeout(TEST_SECONDS),
        governing(book, {"a": {"requests_per_second": 40}}, counts=counts) as governor,
    ):
        await asyncio.gather(*(governor.queue([A], job, job.deadline) for job in [a_job() for _ in range(10)]))
        assert counts.leases.keys() == {"away"}
        book.away = False
        while "some" not in counts.leases and "all" not in counts.leases:
            await governor.queue([A], a_job(), utc_now() + timedelta(seconds=5))


def test_a_lesson_that_another_worker_drew_first_is_taken_over() -> None:
    account: Account[Waiting] = Account("p/a", "w1", Quota(), shift=0)
    account.gate.enter(0, 100.0)
    assert account.refuse(begun_at=100.0, retry_after=0, now=100.1)
    theirs = Noted(Lesson(100.05, 0.8, 100.05, {"w2": 30.0}), 1)
    account.dealt(Lease(), 100.2, theirs, 100.1, 100.3)
    assert account.drawn is not None, "its own part is to be added"
    assert account.drawn.rates == {"w1": 1.0, "w2": 30.0}
    account.dealt(Lease(), 100.3, Noted(account.drawn, 2), 100.2, 100.4)
    assert account.drawn is None
