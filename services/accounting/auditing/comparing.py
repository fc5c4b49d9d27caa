"""How are the books audited? The ledger against its sums, the usage topic and the results topic against the ledger."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple, TypeVar

from aiokafka import ConsumerRecord
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.accounting.auditing.budget_checks import ReadBook, budgets_compared
from services.accounting.auditing.topic_checks import Ended, Told, UsageCheck, ends_compared
from services.accounting.ledger.agreement import (
    Difference,
    attempts_ended,
    attempts_summed,
    consumed,
    database_time,
    recorded,
    roll_up_differences,
)
from services.accounting.ports import Place
from shared.contracts import AttemptFinished, JobEnded
from shared.topic_reading import Reading
from shared.topics import RESULTS, USAGE, Topic

__all__ = ["Audit", "Books", "Pace", "Span", "at_once", "audited"]

Chosen = TypeVar("Chosen")

_BATCH: Final = 1000
_AT_ONCE: Final = 50
"""Records read before others on the loop have a turn."""
_MOST: Final = 1000
_BEFORE: Final = timedelta(minutes=1)
"""A record is written when its call or job has ended, by a clock that may differ a little from who reads."""

Pace = Callable[[], Awaitable[None]]
"""Awaited between two batches: who has time leaves it to others."""


async def at_once() -> None:
    """The port `Pace` of somebody who waits for it."""


@dataclass(frozen=True, slots=True)
class Span:
    """Whole hours."""

    since: datetime
    until: datetime

    def holds(self, moment: datetime) -> bool:
        return self.since <= moment < self.until


@dataclass(frozen=True, slots=True)
class Books:
    """Where what is compared can be read."""

    engine: AsyncEngine
    read_book: ReadBook
    topic: Callable[[Topic, datetime], AbstractAsyncContextManager[Reading]]
    """Opens it at the first record of that moment, or after it."""


@dataclass(frozen=True, slots=True)
class Audit:
    span: Span
    events: int
    results: int
    waiting: int
    """Events that accounting has not been past yet."""
    reaches_back: bool
    """Whether the usage topic still has the whole time: else rows without an event are not looked for."""
    differences: tuple[Difference, ...]
    """Of a kind no more than a thousand."""


class _Event(NamedTuple):
    place: Place
    offset: int
    told: AttemptFinished


async def audited(books: Books, span: Span, pace: Pace = at_once) -> Audit:
    """Raises AwayError, and what opening and reading the books raises.

    The results are opened before the usage events, and a row is looked for among these only if it stood there before:
    what happens meanwhile is then no difference.
    """
    begin = span.since - _BEFORE
    async with AsyncExitStack() as stack:
        differences = list(await roll_up_differences(books.engine, span.since, span.until))
        differences += await budgets_compared(books.engine, books.read_book, span.since)
        await pace()
        ends = await stack.enter_async_context(books.topic(RESULTS, begin))
        opened_at = await database_time(books.engine)
        usage = await stack.enter_async_context(books.topic(USAGE, begin))
        reaches_back = await usage.reaches_back()
        check = UsageCheck(await attempts_summed(books.engine, span.since, span.until))
        await _check_usage(books.engine, usage, span, check, pace)
        if reaches_back:
            rows = attempts_ended(books.engine, span.since, span.until, recorded_before=opened_at)
            async for attempts in rows:
                check.rows_seen(attempts)
                await pace()
        results, of_results = await _check_results(books.engine, ends, span, check, pace)
    found = (*differences, *check.differences, *of_results)
    return Audit(span, check.events, results, check.waiting, reaches_back, found)


async def _check_usage(engine: AsyncEngine, usage: Reading, span: Span, check: UsageCheck, pace: Pace) -> None:
    def event(record: ConsumerRecord) -> _Event | None:
        told = AttemptFinished.model_validate_json(record.value or b"")
        return _Event(Place(record.topic, record.partition), record.offset, told) if span.holds(told.ended_at) else None

    async for batch in _batches(usage, event):
        # Asked before the rows: what accounting was past then must be among them.
        past = await consumed(engine, batch[0].place.topic)
        rows = await recorded(engine, [each.told.job_id for each in batch])
        check.compare([Told(each.told, past.get(each.place, 0) > each.offset) for each in batch], rows)
        await pace()


async def _check_results(
    engine: AsyncEngine, ends: Reading, span: Span, check: UsageCheck, pace: Pace
) -> tuple[int, Sequence[Difference]]:
    def ended(record: ConsumerRecord) -> Ended | None:
        end = JobEnded.model_validate_json(record.value or b"")
        return Ended.of(end) if span.holds(end.ended_at) else None

    results, found = 0, list[Difference]()
    async for batch in _batches(ends, ended):
        results += len(batch)
        rows = await recorded(engine, [end.job_id for end in batch])
        found += ends_compared(batch, rows, check)
        del found[_MOST:]
        await pace()
    return results, found


async def _batches(
    topic: Reading, choose: Callable[[ConsumerRecord], Chosen | None]
) -> AsyncIterator[Sequence[Chosen]]:
    """What can be read, and is chosen; what cannot is among the dead letters, or will be."""
    batch: list[Chosen] = []
    number = 0
    async for record in topic.records_so_far():
        number += 1
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)
        try:
            chosen = choose(record)
        except ValidationError:
            continue
        if chosen is not None:
            batch.append(chosen)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
