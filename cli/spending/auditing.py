"""How are the books audited? The ledger against its sums, the usage topic and the results topic against the ledger."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

from aiokafka import ConsumerRecord
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncEngine

from cli.environment import Environment
from cli.kafka import Reading, reading
from cli.spending.asking import ledger
from cli.spending.budget_checks import budgets_compared
from cli.spending.topic_checks import Told, UsageCheck, ends_compared
from services.accounting.ledger.agreement import (
    Difference,
    attempts_ended,
    consumed,
    database_time,
    recorded,
    roll_up_differences,
)
from services.accounting.ports import Place
from shared.contracts import AttemptFinished, JobEnded, WireModel
from shared.topics import RESULTS, USAGE

__all__ = ["Audit", "Span", "audited"]

Message = TypeVar("Message", bound=WireModel)

_BATCH: Final = 1000
_BEFORE: Final = timedelta(minutes=1)
"""A record is written when its call or job has ended, by a clock that may differ a little from who reads."""


@dataclass(frozen=True, slots=True)
class Span:
    """Whole hours."""

    since: datetime
    until: datetime

    def holds(self, moment: datetime) -> bool:
        return self.since <= moment < self.until


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


async def audited(environment: Environment, span: Span) -> Audit:
    """Raises OperatorError.

    The results are opened before the usage events, and a row is looked for among these only if it stood there before:
    what happens meanwhile is then no difference.
    """
    topics = [topic.at(environment.topic_prefix) for topic in (RESULTS, USAGE)]
    begin = span.since - _BEFORE
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(ledger(environment))
        differences = list(await roll_up_differences(engine, span.since, span.until))
        differences += await budgets_compared(environment, engine, span.since)
        ends = await stack.enter_async_context(reading(environment.kafka, topics[:1], since=begin))
        opened_at = await database_time(engine)
        usage = await stack.enter_async_context(reading(environment.kafka, topics[1:], since=begin))
        reaches_back = await _reaches_back(usage)
        check = UsageCheck()
        await _check_usage(engine, usage, span, check)
        if reaches_back:
            async for attempts in attempts_ended(engine, span.since, span.until, recorded_before=opened_at):
                check.rows_seen(attempts)
        results, of_results = await _check_results(engine, ends, span, check)
    found = (*differences, *check.differences, *of_results)
    return Audit(span, check.events, results, len(check.waiting), reaches_back, found)


async def _check_usage(engine: AsyncEngine, usage: Reading, span: Span, check: UsageCheck) -> None:
    async for batch in _batches(usage, AttemptFinished):
        chosen = [(record, event) for record, event in batch if span.holds(event.ended_at)]
        # Asked before the rows: what accounting was past then must be among them.
        past = await consumed(engine, batch[0][0].topic)
        rows = await recorded(engine, [event.job_id for _, event in chosen])
        check.compare(
            [
                Told(event, past.get(Place(record.topic, record.partition), 0) > record.offset)
                for record, event in chosen
            ],
            rows,
        )


async def _check_results(
    engine: AsyncEngine, ends: Reading, span: Span, check: UsageCheck
) -> tuple[int, Sequence[Difference]]:
    results, found = 0, list[Difference]()
    async for batch in _batches(ends, JobEnded):
        ended = [end for _, end in batch if span.holds(end.ended_at)]
        results += len(ended)
        rows = await recorded(engine, [end.job_id for end in ended])
        found += ends_compared(ended, rows, check)
    return results, found


async def _reaches_back(usage: Reading) -> bool:
    for place, span in usage.spans.items():
        if 0 < span.first == await usage.consumer.position(place):
            return False
    return True


async def _batches(topic: Reading, contract: type[Message]) -> AsyncIterator[Sequence[tuple[ConsumerRecord, Message]]]:
    """What can be read; the rest is among the dead letters, or will be."""
    batch: list[tuple[ConsumerRecord, Message]] = []
    async for record in topic.records_so_far():
        try:
            batch.append((record, contract.model_validate_json(record.value or b"")))
        except ValidationError:
            continue
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
