"""The ledger by month: partitions ahead of time, strays brought home, old months dropped, nothing lost on the way."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.accounting.charging import Entry
from services.accounting.ledger.engine import engine_for
from services.accounting.ledger.months import LedgerMonths, Month
from services.accounting.ledger.usage_store import PostgresLedger
from services.accounting.ports import AwayError
from shared.contracts import AttemptStatus
from shared.ids import derived_job_id
from shared.prices import OwnPrices
from shared.prices.genai import GenaiPrices
from tests.suites.accounting import an_attempt, entered
from tests.suites.migrations import up_to

BOOK = OwnPrices((), GenaiPrices({}))


@pytest.fixture
async def empty(empty_database: str) -> AsyncIterator[AsyncEngine]:
    engine = engine_for(empty_database)
    yield engine
    await engine.dispose()


@pytest.fixture
async def engine(database: str) -> AsyncIterator[AsyncEngine]:
    engine = engine_for(database)
    yield engine
    await engine.dispose()


def in_month(year: int, month: int, name: str = "a") -> Entry:
    moment = datetime(year, month, 15, tzinfo=UTC)
    return entered(an_attempt(job=derived_job_id(int(moment.timestamp() * 1000), name), at=moment), BOOK)


def keeper(engine: AsyncEngine, *, today: datetime, keep: int | None = None) -> LedgerMonths:
    return LedgerMonths(engine, keep, lambda: today)


async def looked(keeper: LedgerMonths) -> None:
    """Whoever has waited too long for the others looks again, as in its next round."""
    while True:
        try:
            return await keeper.look()
        except AwayError as error:
            if "lock timeout" not in str(error):
                raise


async def where_rows_stand(engine: AsyncEngine) -> list[tuple[str, int]]:
    query = text("select tableoid::regclass::text, count(*) from usage_ledger group by 1 order by 1")
    async with engine.connect() as connection:
        return [tuple(row) for row in (await connection.execute(query)).all()]


async def partitions(engine: AsyncEngine) -> list[str]:
    query = text(
        "select inhrelid::regclass::text from pg_inherits where inhparent = 'usage_ledger'::regclass order by 1"
    )
    async with engine.connect() as connection:
        return [name for (name,) in (await connection.execute(query)).all()]


def test_months_follow_each_other_over_the_years() -> None:
    assert [Month(2026, 11).later(ahead) for ahead in (-11, -1, 1, 2, 14)] == [
        Month(2025, 12),
        Month(2026, 10),
        Month(2026, 12),
        Month(2027, 1),
        Month(2028, 1),
    ]
    assert Month.of_partition(Month(2026, 3).partition) == Month(2026, 3)


async def test_the_months_to_come_have_partitions_before_they_begin(engine: AsyncEngine) -> None:
    months = keeper(engine, today=datetime(2026, 11, 20, tzinfo=UTC))
    await months.look()
    await months.look()
    assert await partitions(engine) == [
        *(f"usage_ledger_{name}" for name in ("2026_10", "2026_11", "2026_12", "2027_01", "2027_02")),
        "usage_ledger_rest",
    ]
    await PostgresLedger(engine).add([in_month(2026, 12), in_month(2031, 1)], {})
    assert await where_rows_stand(engine) == [("usage_ledger_2026_12", 1), ("usage_ledger_rest", 1)]


async def test_rows_that_came_before_their_partition_are_moved_into_it(engine: AsyncEngine) -> None:
    rows = [in_month(2026, 11, "a"), in_month(2026, 11, "b"), in_month(2026, 3, "c")]
    await PostgresLedger(engine).add(rows, {})
    await keeper(engine, today=datetime(2026, 11, 20, tzinfo=UTC)).look()
    assert await where_rows_stand(engine) == [("usage_ledger_2026_11", 2), ("usage_ledger_rest", 1)]
    again = await PostgresLedger(engine).add(rows, {})
    assert again.rows == 0, "a replay is still known"


async def test_months_whose_time_is_over_are_dropped_and_their_sums_stay(engine: AsyncEngine) -> None:
    long_ago = keeper(engine, today=datetime(2026, 3, 1, tzinfo=UTC))
    await long_ago.look()
    await PostgresLedger(engine).add([in_month(2019, 1), in_month(2026, 3), in_month(2026, 9)], {})
    await keeper(engine, today=datetime(2026, 11, 20, tzinfo=UTC), keep=2).look()
    assert await where_rows_stand(engine) == [("usage_ledger_rest", 1)]
    assert "usage_ledger_2026_03" not in await partitions(engine)
    async with engine.connect() as connection:
        assert await connection.scalar(text("select sum(attempts) from usage_hourly")) == 3


async def test_without_a_limit_every_month_is_kept(engine: AsyncEngine) -> None:
    await PostgresLedger(engine).add([in_month(2019, 1)], {})
    await keeper(engine, today=datetime(2026, 11, 20, tzinfo=UTC)).look()
    assert await where_rows_stand(engine) == [("usage_ledger_rest", 1)]


async def test_several_processes_may_look_at_once(engine: AsyncEngine) -> None:
    today = datetime(2026, 11, 20, tzinfo=UTC)
    await PostgresLedger(engine).add([in_month(2026, 11)], {})
    async with asyncio.timeout(60):
        await asyncio.gather(*(looked(keeper(engine, today=today)) for _ in range(4)))
    assert await where_rows_stand(engine) == [("usage_ledger_2026_11", 1)]


async def test_somebody_who_reads_for_long_is_not_waited_for(engine: AsyncEngine, database: str) -> None:
    reader = await asyncpg.connect(database)
    try:
        async with reader.transaction():
            await reader.fetch("select count(*) from usage_ledger")
            with pytest.raises(AwayError):
                await keeper(engine, today=datetime(2026, 11, 20, tzinfo=UTC)).look()
            added = await asyncio.wait_for(PostgresLedger(engine).add([in_month(2026, 11)], {}), 10)
            assert added.rows == 1
    finally:
        await reader.close()


async def test_a_ledger_of_before_is_moved_as_it_is(empty: AsyncEngine) -> None:
    """Each row is where it was, with what is known of its new columns."""
    async with empty.begin() as connection:
        await connection.run_sync(up_to, "0004")
        for status in (AttemptStatus.SUCCEEDED, AttemptStatus.FAILED):
            await connection.execute(text(_ROW_OF_BEFORE), {"status": status.value, "job": f"job_{status.value}"})
        await connection.run_sync(up_to, "head")
        rows = (await connection.execute(text(_NOW))).all()
    assert [tuple(row) for row in rows] == [
        ("job_failed", 1, "first", "charge", 7, 7, "failed", 1500),
        ("job_succeeded", 1, "first", "whole", 7, 7, "succeeded", 1500),
    ]


_ROW_OF_BEFORE = """
    insert into usage_ledger (
        job_id, attempt, keyed_at, epoch, tenant, caller, lane, model_asked, provider, deployment, upstream_model,
        status, uncached_input_tokens, cache_write_tokens, cache_read_tokens, output_tokens, reasoning_tokens,
        usage_source, cost_nanodollars, price_version, accepted_at, started_at, ended_at
    ) values (
        :job, 1, '2026-11-01Z', 1, 'acme', 'key1', 'batch', 'm1', 'openai', 'd', 'u', :status, 1, 2, 3, 4, 0,
        'provider', 7, 'v', '2026-11-01 00:00:00Z', '2026-11-01 00:00:01.5Z', '2026-11-01 00:00:02Z'
    )
"""
_NOW = """
    select job_id, attempt, role, billing, cost_nanodollars, billed_nanodollars, status, queue_ms
    from usage_ledger order by 1
"""
