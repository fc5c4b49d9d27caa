"""A large body is there for its call, and a large answer is left before anybody is told of it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from pydantic_core import to_json

from services.router_worker.events import AttemptEvent, Failed, Finished
from services.router_worker.failures import FailureKind
from services.router_worker.luggage import CollectingCalls, LeftAnswers
from services.router_worker.routing.plan import Candidate
from shared.clock import utc_now
from shared.config.schema import Timeouts
from shared.contracts import BlobRef, Job, JsonObject
from shared.ids import AttemptId
from tests.suites.blobs import MemoryBlobs
from tests.suites.fleet import a_job
from tests.suites.ingress import an_end

CANDIDATE = Candidate("p/m", "p", "m", "m", Timeouts())
BODY: JsonObject = {"model": "m", "messages": [{"role": "user", "content": "x" * 1000}], "seed": 2**70}


@dataclass(slots=True)
class Calls:
    """A provider that answers when it may."""

    seen: list[Job] = field(default_factory=list)
    may_end: asyncio.Event = field(default_factory=asyncio.Event)

    async def attempt(
        self,
        job: Job,
        candidate: Candidate,
        attempt_id: AttemptId,
        resume_text: str | None,
        deadline: datetime,
        *,
        key: int = 0,
        traceparent: str | None = None,
    ) -> AsyncGenerator[AttemptEvent, None]:
        self.seen.append(job)
        await self.may_end.wait()
        yield Finished(model_served="m", finish_reason="stop")


@pytest.fixture
def calls() -> Calls:
    return Calls()


@pytest.fixture
def blobs() -> MemoryBlobs:
    return MemoryBlobs()


async def large_job(blobs: MemoryBlobs) -> Job:
    job = a_job()
    blob = await blobs.leave(f"2099-01-01T00/acme/{job.id}/request", to_json(BODY))
    return job.model_copy(update={"body": {}, "body_blob": blob})


async def events(calls: CollectingCalls, job: Job, seconds: float = 10) -> list[AttemptEvent]:
    deadline = utc_now() + timedelta(seconds=seconds)
    async with aclosing(calls.attempt(job, CANDIDATE, AttemptId("a"), None, deadline)) as found:
        return [event async for event in found]


async def test_the_provider_gets_the_body_as_the_caller_sent_it(calls: Calls, blobs: MemoryBlobs) -> None:
    job = await large_job(blobs)
    calls.may_end.set()
    await events(CollectingCalls(calls, blobs, utc_now, at_once=1), job)
    (seen,) = calls.seen
    assert (seen.body, seen.body_blob) == (BODY, None)


async def test_a_job_with_its_body_in_the_record_needs_no_store(calls: Calls, blobs: MemoryBlobs) -> None:
    blobs.away = True
    calls.may_end.set()
    job = a_job()
    await events(CollectingCalls(calls, blobs, utc_now, at_once=1), job)
    assert calls.seen == [job]


async def test_a_body_that_is_gone_fails_the_job_without_a_call(calls: Calls, blobs: MemoryBlobs) -> None:
    job = await large_job(blobs)
    blobs.kept.clear()
    (event,) = await events(CollectingCalls(calls, blobs, utc_now, at_once=1), job)
    assert isinstance(event, Failed)
    assert event.failure.kind is FailureKind.BODY_LOST
    assert calls.seen == []


async def test_a_store_that_is_away_is_waited_for(calls: Calls, blobs: MemoryBlobs) -> None:
    job = await large_job(blobs)
    blobs.away = True
    calls.may_end.set()
    running = asyncio.create_task(events(CollectingCalls(calls, blobs, utc_now, at_once=1), job))
    await asyncio.sleep(0.02)
    blobs.away = False
    (event,) = await running
    assert isinstance(event, Finished)


async def test_but_not_longer_than_the_job_has_time(calls: Calls, blobs: MemoryBlobs) -> None:
    job = await large_job(blobs)
    blobs.away = True
    (event,) = await events(CollectingCalls(calls, blobs, utc_now, at_once=1), job, seconds=0.05)
    assert isinstance(event, Failed)
    assert event.failure.kind is FailureKind.DEADLINE


async def test_only_so_many_large_bodies_are_here_at_once(calls: Calls, blobs: MemoryBlobs) -> None:
    collecting = CollectingCalls(calls, blobs, utc_now, at_once=2)
    running = [asyncio.create_task(events(collecting, await large_job(blobs))) for _ in range(5)]
    async with asyncio.timeout(5):
        while len(calls.seen) < 2:
            await asyncio.sleep(0)
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(calls.seen) == 2
    calls.may_end.set()
    await asyncio.gather(*running)
    assert len(calls.seen) == 5


async def test_a_call_that_is_given_up_gives_its_place_back(calls: Calls, blobs: MemoryBlobs) -> None:
    collecting = CollectingCalls(calls, blobs, utc_now, at_once=1)
    first = asyncio.create_task(events(collecting, await large_job(blobs)))
    async with asyncio.timeout(5):
        while not calls.seen:
            await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait({first})
    calls.may_end.set()
    (event,) = await events(collecting, await large_job(blobs))
    assert isinstance(event, Finished)


async def test_a_large_answer_is_left_and_named(blobs: MemoryBlobs) -> None:
    ended = an_end(a_job(), epoch=3)
    told = await LeftAnswers(blobs, kept=timedelta(days=7)).leave(ended)
    assert told.response is None
    assert told.response_blob == BlobRef(key=told.response_blob.key, size=len(to_json(ended.response)))  # type: ignore[union-attr]
    assert blobs.kept == {told.response_blob.key: to_json(ended.response)}  # type: ignore[union-attr]
    assert told.response_blob.key.endswith(f"/acme/{ended.job_id}/response-3")  # type: ignore[union-attr]
    assert told.model_copy(update={"response": ended.response, "response_blob": None}) == ended
