"""The audit says nothing of books that agree, and names whatever in them does not."""

from collections.abc import AsyncIterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer

from cli.environment import Environment, discover
from cli.exit_codes import ExitCode
from cli.spending.auditing import audited
from services.accounting.auditing.comparing import Audit, Span
from shared.contracts import AttemptFinished, AttemptStatus, AuditAlert, JobEnded, TokenUsage, UsageSource
from shared.kafka import ensure_topics, new_producer
from shared.kafka_access import KafkaAccess
from shared.topic_reading import Visitor, reading
from shared.topics import ALERTS, RESULTS, USAGE
from tests.suites.accounting import an_attempt, an_end
from tests.suites.command_line import Sluice
from tests.suites.running_accounting import Place, accounting, produce, recorded, until

# Kafka gives every record the time at which it is sent, so what is told must have happened lately.
LATELY = datetime.now(UTC) - timedelta(seconds=5)
HOUR = LATELY.replace(minute=0, second=0, microsecond=0)
SPAN = Span(HOUR, HOUR + timedelta(hours=2))


@pytest.fixture
async def place(kafka_url: str, database: str, topic_prefix: str) -> Place:
    await ensure_topics(kafka_url, topic_prefix)
    return Place(kafka_url, database, topic_prefix)


@pytest.fixture
async def producer(kafka_url: str) -> AsyncIterator[AIOKafkaProducer]:
    producer = new_producer(kafka_url, "test")
    await producer.start()
    yield producer
    await producer.stop()


def a_call(**told: object) -> AttemptFinished:
    event = an_attempt(at=LATELY, usage=TokenUsage(uncached_input=3, output=7))
    return event.model_copy(update=told)


def its_end(event: AttemptFinished) -> JobEnded:
    end = an_end(event.job_id)
    return end.model_copy(update={"ended_at": event.ended_at, "usage": event.usage})


async def tell(producer: AIOKafkaProducer, place: Place, *events: AttemptFinished) -> None:
    await produce(producer, place, USAGE, [(event.tenant, event.to_bytes()) for event in events])


async def end(producer: AIOKafkaProducer, place: Place, *events: AttemptFinished) -> None:
    await produce(producer, place, RESULTS, [(event.job_id, its_end(event).to_bytes()) for event in events])


def environment(place: Place) -> Environment:
    told = {"KAFKA_URL": place.kafka_url, "POSTGRES_URL": place.postgres_url, "SLUICE_TOPIC_PREFIX": place.topic_prefix}
    return discover(told, Path("/nowhere"))


async def audit(place: Place) -> Audit:
    return await audited(environment(place), SPAN)


async def told(place: Place) -> list[tuple[str, str, str, str]]:
    return [(each.between, each.what, each.first, each.second) for each in (await audit(place)).differences]


async def change(place: Place, statement: str, *values: object) -> None:
    connection = await asyncpg.connect(place.postgres_url)
    try:
        await connection.execute(statement, *values)
    finally:
        await connection.close()


async def kept_books(place: Place, producer: AIOKafkaProducer, *events: AttemptFinished) -> None:
    """Told, recorded and ended."""
    await tell(producer, place, *events)
    await end(producer, place, *events)

    async def past_both() -> bool:
        rows = await place.rows("select coalesce(sum(next_offset), 0) from consumed_offsets")
        return int(str(rows[0][0])) >= 2 * len(events)

    async with accounting(place):
        await until(past_both)


async def test_books_that_agree_have_no_differences(place: Place, producer: AIOKafkaProducer) -> None:
    events = [a_call() for _ in range(30)]
    await kept_books(place, producer, *events, events[0])
    found = await audit(place)
    assert (found.events, found.results, found.waiting, found.differences) == (30, 31, 0, ())
    assert found.reaches_back


async def test_whatever_is_changed_behind_the_books_back_is_named(place: Place, producer: AIOKafkaProducer) -> None:
    lost, altered, fine = a_call(), a_call(), a_call()
    await kept_books(place, producer, lost, altered, fine)
    await change(place, "delete from usage_ledger where job_id = $1", lost.job_id)
    await change(place, "update usage_ledger set output_tokens = 8 where job_id = $1", altered.job_id)
    found = await told(place)
    said = "succeeded, 3+0w+0r in, 7 out, 0 reasoned"
    assert ("usage topic, usage_ledger", lost.attempt_id, said, "no row") in found
    assert ("results topic, usage_ledger", lost.attempt_id, "a call", "no row") in found
    assert ("usage topic, usage_ledger", altered.attempt_id, said, said.replace("7 out", "8 out")) in found
    assert [what for between, what, *_ in found if between.startswith("results") and altered.job_id in what]
    assert not [what for _, what, *_ in found if fine.job_id in what]
    sums = {what.rpartition(": ")[2]: each for between, what, *each in found if between == "usage_ledger, usage_hourly"}
    assert sums["attempts"] == ["2", "3"]
    assert sums["output_tokens"] == ["15", "21"]
    assert {between for between, *_ in found} >= {"usage_ledger, latency_daily"}


@pytest.mark.parametrize(
    ("statement", "between", "measure"),
    [
        ("update usage_hourly set cost_nanodollars = cost_nanodollars + 1", "usage_ledger, usage_hourly", "cost"),
        ("delete from usage_daily", "usage_hourly, usage_daily", "attempts"),
        ("update latency_daily set duration = duration + 1", "usage_ledger, latency_daily", "calls"),
    ],
)
async def test_a_sum_that_is_off_by_one_is_named(
    place: Place, producer: AIOKafkaProducer, statement: str, between: str, measure: str
) -> None:
    await kept_books(place, producer, a_call())
    await change(place, statement)
    found = [(pair, what) for pair, what, *_ in await told(place) if pair == between]
    assert [what for _, what in found if f": {measure}" in what]


async def test_a_row_that_nobody_told_of_is_named(place: Place, producer: AIOKafkaProducer) -> None:
    await kept_books(place, producer, a_call())
    columns = "tenant, caller, lane, model_asked, provider, deployment, upstream_model, status, uncached_input_tokens"
    rest = (
        "cache_write_tokens, cache_read_tokens, output_tokens, reasoning_tokens, usage_source, billing, price_version"
    )
    times = "keyed_at, accepted_at, started_at, ended_at, epoch"
    await change(
        place,
        f"insert into usage_ledger (job_id, attempt, {columns}, {rest}, {times})"  # noqa: S608
        f" select 'job_forged', 1, {columns}, {rest}, {times} from usage_ledger",
    )
    assert ("usage topic, usage_ledger", "job_forged.1", "no event", "a row") in await told(place)


async def test_what_is_not_recorded_yet_is_no_difference(place: Place, producer: AIOKafkaProducer) -> None:
    await kept_books(place, producer, a_call())
    late = a_call()
    await tell(producer, place, late)
    await end(producer, place, late)
    found = await audit(place)
    assert (found.waiting, found.differences) == (1, ())
    async with accounting(place):
        await recorded(place, 2)
    assert (await audit(place)).waiting == 0


async def test_of_two_workers_who_tell_of_one_call_the_first_counts(place: Place, producer: AIOKafkaProducer) -> None:
    first = a_call(status=AttemptStatus.ABANDONED, usage_source=UsageSource.PARTIAL)
    second = first.model_copy(update={"status": AttemptStatus.SUCCEEDED, "usage": TokenUsage(output=99)})
    await tell(producer, place, first, second)
    await end(producer, place, second)
    async with accounting(place):
        await recorded(place, 1)
    found = await audit(place)
    assert (found.waiting, found.differences) == (0, ())


async def test_the_night_names_it_in_a_table_and_raises_an_alert(place: Place, producer: AIOKafkaProducer) -> None:
    await kept_books(place, producer, a_call())
    await change(place, "update usage_daily set attempts = 2")
    await change(
        place,
        "insert into usage_audits values (now() - interval '2 days', now(), now(), now(), 0, 0, 0, true, 0, '[]')",
    )

    async def told_of() -> bool:
        return bool(await place.rows("select begun_at from usage_audits where told_at is not null"))

    async with accounting(place), accounting(place):
        await until(told_of)
    found = await place.rows("select differences, found -> 0 ->> 'between' from usage_audits where differences > 0")
    assert found == [(1, "usage_hourly, usage_daily")]
    topic = ALERTS.at(place.topic_prefix)
    async with reading(Visitor(KafkaAccess(place.kafka_url), "test"), [topic], nullcontext) as alerts:
        told = [AuditAlert.model_validate_json(record.value or b"") async for record in alerts.records_so_far()]
    assert [alert.between for alert in told] == [("usage_hourly, usage_daily",)]


async def test_a_script_learns_from_the_exit_code(place: Place, producer: AIOKafkaProducer, tmp_path: Path) -> None:
    await kept_books(place, producer, a_call())
    variables = {"KAFKA_URL": place.kafka_url, "POSTGRES_URL": place.postgres_url}
    sluice = Sluice(tmp_path, variables | {"SLUICE_TOPIC_PREFIX": place.topic_prefix})
    agreed = await sluice("usage", "audit", "--since", "2h")
    assert (agreed.code, agreed.out) == (ExitCode.OK, "0 differences in 1 calls and 1 jobs.\n")
    await change(place, "update usage_daily set attempts = 2")
    differing = await sluice("usage", "audit", "--since", "2h", "--json")
    assert differing.code == ExitCode.SOME_FAILED
    assert [each["between"] for each in differing.json["differences"]] == ["usage_hourly, usage_daily"]
