"""A job has one row, the same whichever message comes first, and it ends once."""

import asyncio
import itertools
import json
import random
from collections.abc import AsyncIterator, Sequence

import pytest
from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncEngine

from services.accounting.ledger.engine import engine_for
from services.accounting.ledger.job_store import PostgresJobs
from services.accounting.ledger.tables import jobs
from shared.config.schema import Retention
from shared.contracts import Job, JobEnded, JobError, JobStatus
from shared.ids import JobId, new_job_id
from tests.suites.accounting import NOON, a_job, an_end

BODY = {"model": "m1", "seed": 1.0, "messages": [{"role": "user", "content": "Why \u2603?"}], "an_unknown_field": None}


@pytest.fixture
async def engine(database: str) -> AsyncIterator[AsyncEngine]:
    engine = engine_for(database)
    yield engine
    await engine.dispose()


@pytest.fixture
def shelf(engine: AsyncEngine) -> PostgresJobs:
    return PostgresJobs(engine, Retention())


async def stored(engine: AsyncEngine) -> Sequence[Row[tuple[object, ...]]]:
    columns = [column for column in jobs.columns if column.name != "recorded_at"]
    async with engine.connect() as connection:
        return (await connection.execute(select(*columns).order_by(jobs.c.job_id))).all()


async def test_an_accepted_job_is_queued_with_what_was_asked(engine: AsyncEngine, shelf: PostgresJobs) -> None:
    job = a_job(body=BODY, user="u1")
    await shelf.accept([job], {})
    [row] = await stored(engine)
    assert (row.job_id, row.tenant, row.caller, row.custom_id, row.status) == (
        job.id,
        "acme",
        "key1",
        "line-1",
        "queued",
    )
    assert (row.door, row.lane, row.model_asked, row.feature, row.tags) == (
        "topic",
        "batch",
        "m1",
        "search",
        {"team": "red"},
    )
    assert (row.accepted_at, row.deadline, row.end_user, row.streamed) == (job.accepted_at, job.deadline, "u1", False)
    assert row.request == BODY
    assert list(row.request) == list(BODY), "the caller's own order of fields"
    assert (row.ended_at, row.response, row.attempts) == (None, None, None)


async def test_an_ended_job_has_its_answer_and_its_calls(engine: AsyncEngine, shelf: PostgresJobs) -> None:
    job = a_job()
    end = an_end(job.id)
    await shelf.accept([job], {})
    await shelf.end([end], {})
    [row] = await stored(engine)
    assert (row.status, row.finish_reason, row.model_served, row.epoch) == ("succeeded", "stop", "m1-2026-01", 1)
    assert (row.uncached_input_tokens, row.output_tokens) == (3, 7)
    assert (row.started_at, row.ended_at) == (end.started_at, end.ended_at)
    assert row.response == end.response
    assert row.route == ["openai/gpt-4o-mini", "sim/m1"]
    assert row.plan == [json.loads(entry.model_dump_json()) for entry in end.plan or ()]
    assert row.attempts == [json.loads(attempt.model_dump_json()) for attempt in end.attempts]
    assert row.error is None
    assert row.request == job.body


async def test_an_error_is_kept_as_a_client_reads_it(engine: AsyncEngine, shelf: PostgresJobs) -> None:
    error = JobError(status_code=502, message="no provider answered", type="server_error", code="upstream_failed")
    end = an_end(new_job_id(), status=JobStatus.FAILED).model_copy(update={"error": error, "response": None})
    await shelf.end([end], {})
    [row] = await stored(engine)
    assert row.status == "failed"
    assert row.error == error.model_dump()
    assert row.response is None


async def test_both_orders_give_the_same_row(engine: AsyncEngine, shelf: PostgresJobs) -> None:
    job = a_job(body=BODY)
    await shelf.accept([job], {})
    await shelf.end([an_end(job.id)], {})
    expected = await stored(engine)
    async with engine.begin() as connection:
        await connection.execute(jobs.delete())
    await shelf.end([an_end(job.id)], {})
    await shelf.accept([job], {})
    assert await stored(engine) == expected


async def test_any_order_and_any_number_of_repeats_give_the_same_rows(engine: AsyncEngine, shelf: PostgresJobs) -> None:
    ids = [new_job_id() for _ in range(6)]
    accepted = [a_job(job) for job in ids]
    ended = [an_end(job) for job in ids[:4]]
    outcomes = []
    for seed in range(5):
        messages: list[Job | JobEnded] = [*accepted, *ended, *accepted, *ended]
        random.Random(seed).shuffle(messages)
        for kind, group in itertools.groupby(messages, type):
            batch = list(group)
            if kind is Job:
                await shelf.accept([message for message in batch if isinstance(message, Job)], {})
            else:
                await shelf.end([message for message in batch if isinstance(message, JobEnded)], {})
        outcomes.append(await stored(engine))
        async with engine.begin() as connection:
            await connection.execute(jobs.delete())
    assert len(outcomes[0]) == len(ids)
    assert all(outcome == outcomes[0] for outcome in outcomes)


async def test_a_job_ends_once(engine: AsyncEngine, shelf: PostgresJobs) -> None:
    job = new_job_id()
    first, second = an_end(job), an_end(job, status=JobStatus.FAILED, answer="Later.")
    assert (await shelf.end([first, second], {})).rows == 1
    assert (await shelf.end([second], {})).rows == 0
    await shelf.accept([a_job(job)], {})
    [row] = await stored(engine)
    assert (row.status, row.response) == ("succeeded", first.response)


async def test_two_writers_of_the_same_jobs_do_not_deadlock(engine: AsyncEngine, shelf: PostgresJobs) -> None:
    ids = [new_job_id() for _ in range(200)]

    async def accept(seed: int) -> None:
        for at in range(0, 200, 50):
            await shelf.accept([a_job(job) for job in shuffled(ids, seed)[at : at + 50]], {})

    async def end(seed: int) -> None:
        for at in range(0, 200, 50):
            await shelf.end([an_end(job) for job in shuffled(ids, seed)[at : at + 50]], {})

    async with asyncio.timeout(60):
        await asyncio.gather(accept(1), end(2), accept(3), end(4))
    rows = await stored(engine)
    assert [row.status for row in rows] == ["succeeded"] * 200
    assert all(row.deadline for row in rows)


def shuffled(ids: Sequence[JobId], seed: int) -> list[JobId]:
    return random.Random(seed).sample(ids, len(ids))


async def test_content_is_not_kept_when_retention_says_so(engine: AsyncEngine) -> None:
    shelf = PostgresJobs(engine, Retention(content=False))
    job = a_job(body=BODY)
    await shelf.accept([job], {})
    await shelf.end([an_end(job.id)], {})
    [row] = await stored(engine)
    assert (row.request, row.response) == (None, None)
    assert (row.status, row.output_tokens, row.deadline) == ("succeeded", 7, job.deadline)


async def test_numbers_that_only_python_knows_are_stored_all_the_same(engine: AsyncEngine, shelf: PostgresJobs) -> None:
    await shelf.accept([a_job(body={"seed": 2**80, "temperature": float("nan")})], {})
    [row] = await stored(engine)
    assert row.request == {"seed": 2**80, "temperature": None}
    assert row.accepted_at == NOON
