"""The ledger on the real database: every attempt once, the roll-up always its sum, whoever dies meanwhile."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.accounting.charging import Entry
from services.accounting.ledger.engine import engine_for
from services.accounting.ledger.tables import usage_ledger
from services.accounting.ledger.usage_store import PostgresLedger
from services.accounting.ports import Added, AwayError, Place, UnstorableError
from shared.contracts import AttemptFinished, AttemptRole, AttemptStatus, TokenUsage, UsageSource
from shared.ids import derived_job_id, new_job_id
from shared.prices import OwnPrices
from shared.prices.genai import GenaiPrices
from tests.suites.accounting import NOON, an_attempt, attempts, entered
from tests.suites.ledger_sums import assert_the_roll_ups_are_the_sum_of_the_ledger, rows

BOOK = OwnPrices((), GenaiPrices({}))

KILL_ALL_OTHERS = """
    select count(pg_terminate_backend(pid))
    from (select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()) as other
"""


@pytest.fixture
async def engine(database: str) -> AsyncIterator[AsyncEngine]:
    engine = engine_for(database)
    yield engine
    await engine.dispose()


def entries(events: Sequence[AttemptFinished]) -> list[Entry]:
    return [entered(event, BOOK) for event in events]


async def test_a_row_holds_what_the_event_said(engine: AsyncEngine) -> None:
    job = new_job_id()
    event = an_attempt(job=job, number=3, user="a\nb", usage=TokenUsage(uncached_input=1000, output=10, reasoning=4))
    await PostgresLedger(engine).add(entries([event]), {})
    async with engine.connect() as connection:
        row = (await connection.execute(usage_ledger.select())).one()
    assert (row.job_id, row.attempt, row.attempt_id) == (job, 3, f"{job}.3")
    assert (row.tenant, row.caller, row.end_user, row.feature) == ("acme", "key1", "a\nb", "search")
    assert (row.tags, row.lane, row.status, row.usage_source) == ({"team": "red"}, "batch", "succeeded", "provider")
    assert (row.uncached_input_tokens, row.output_tokens, row.reasoning_tokens) == (1000, 10, 4)
    assert (row.cost_nanodollars, row.price_version) == (156_000, BOOK.quote("openai", "gpt-4o-mini", NOON).version)
    assert (row.queue_ms, row.first_token_ms, row.duration_ms) == (1500, 400, 2750)


async def test_a_row_names_team_role_class_of_service_and_units(engine: AsyncEngine) -> None:
    told = {"team": "search", "role": AttemptRole.FAILOVER, "service_tier": "flex", "units": {"web_search": 2}}
    events = [an_attempt(number=2).model_copy(update=told), an_attempt(), an_attempt(number=3)]
    await PostgresLedger(engine).add(entries(events), {})
    assert await rows(engine, "select team, role, service_tier, units from usage_ledger order by attempt") == [
        (None, "first", None, {}),
        ("search", "failover", "flex", {"web_search": 2}),
        (None, None, None, {}),
    ], "an older worker does not say what a later call was for"


PAID_BY_NOBODY = {
    "charge": set(),
    "charge-cancelled": {"failed", "abandoned"},
    "free": {"failed", "abandoned", "cancelled"},
}


async def test_what_a_tenant_pays_of_a_partial_answer_is_its_rule_and_stands_in_the_row(engine: AsyncEngine) -> None:
    events = [an_attempt(status=status, tenant=rule) for status in AttemptStatus for rule in PAID_BY_NOBODY]
    rules = {rule: rule for rule in ("charge-cancelled", "free")}
    await PostgresLedger(engine).add([entered(event, BOOK, rules) for event in events], {})
    found = await rows(engine, "select tenant, status, billing, cost_nanodollars, billed_nanodollars from usage_ledger")
    for tenant, status, billing, cost, billed in found:
        assert billing == ("whole" if status == "succeeded" else tenant)
        assert cost, "what it costs us stays what it is"
        assert billed == (0 if status in PAID_BY_NOBODY[str(tenant)] else cost)
    await assert_the_roll_ups_are_the_sum_of_the_ledger(engine)


async def test_moments_are_kept_to_the_microsecond(engine: AsyncEngine) -> None:
    moments = [
        NOON + timedelta(days=random.randrange(20_000), microseconds=random.randrange(10**6)) for _ in range(500)
    ]
    await PostgresLedger(engine).add(entries([an_attempt(at=moment) for moment in moments]), {})
    found = await rows(engine, "select accepted_at from usage_ledger")
    assert sorted(found) == sorted((moment,) for moment in moments)


async def test_the_key_carries_the_time_inside_the_job_id_not_the_time_the_event_claims(engine: AsyncEngine) -> None:
    job = derived_job_id(1_700_000_000_123, "a crash, and the same submission again")
    await PostgresLedger(engine).add(entries([an_attempt(job=job, at=NOON)]), {})
    await PostgresLedger(engine).add(entries([an_attempt(job=job, at=NOON + timedelta(seconds=9))]), {})
    assert await rows(engine, "select keyed_at from usage_ledger") == [
        (datetime.fromtimestamp(1_700_000_000.123, UTC),)
    ]


async def test_a_failed_attempt_is_not_charged_twice(engine: AsyncEngine) -> None:
    event = an_attempt(status=AttemptStatus.FAILED)
    ledger = PostgresLedger(engine)
    first = await ledger.add(entries([event, event]), {})
    again = await ledger.add(entries([event]), {})
    assert (first.rows, again.rows) == (1, 0)
    assert again == Added(0)
    assert await rows(engine, "select attempts, cost_nanodollars from usage_hourly") == [(1, first.spent[0].cost)]


async def test_of_two_figures_for_one_attempt_the_first_stays(engine: AsyncEngine) -> None:
    job = new_job_id()
    partial = an_attempt(
        job=job, status=AttemptStatus.ABANDONED, source=UsageSource.PARTIAL, usage=TokenUsage(output=5)
    )
    reported = an_attempt(job=job, usage=TokenUsage(output=9))
    await PostgresLedger(engine).add(entries([partial]), {})
    await PostgresLedger(engine).add(entries([reported]), {})
    assert await rows(engine, "select status, usage_source, output_tokens from usage_ledger") == [
        ("abandoned", "partial", 5)
    ]
    await assert_the_roll_ups_are_the_sum_of_the_ledger(engine)


async def test_what_has_no_price_is_null_and_counted(engine: AsyncEngine) -> None:
    unpriced = [an_attempt(upstream="unheard-of", usage=TokenUsage(uncached_input=7, output=2)) for _ in range(3)]
    added = await PostgresLedger(engine).add(entries(unpriced), {})
    [spent] = added.spent
    assert (spent.cost, spent.unpriced_attempts, spent.unpriced_tokens) == (0, 3, 27)
    assert await rows(engine, "select distinct cost_nanodollars from usage_ledger") == [(None,)]
    assert await rows(engine, "select unpriced_attempts, unpriced_tokens from usage_hourly") == [(3, 27)]


async def test_replays_in_any_cut_change_nothing(engine: AsyncEngine) -> None:
    events = attempts(600, seed=1)
    ledger, chance = PostgresLedger(engine), random.Random(2)
    new = 0
    for _ in range(40):
        begin = chance.randrange(len(events))
        new += (await ledger.add(entries(events[begin : begin + chance.randrange(1, 120)]), {})).rows
        await assert_the_roll_ups_are_the_sum_of_the_ledger(engine)
    new += (await ledger.add(entries(events), {})).rows
    assert new == len(events)
    await assert_the_roll_ups_are_the_sum_of_the_ledger(engine)
    expected = sum(entry.cost_nanodollars or 0 for entry in entries(events))
    assert await rows(engine, "select sum(cost_nanodollars) from usage_hourly") == [(Decimal(expected),)]


async def test_two_writers_of_the_same_events_neither_deadlock_nor_count_twice(engine: AsyncEngine) -> None:
    events = attempts(900, seed=3)

    async def writer(seed: int) -> int:
        shuffled = random.Random(seed).sample(events, len(events))
        ledger = PostgresLedger(engine)
        added = [
            await ledger.add(entries(shuffled[at : at + 90]), {Place("usage", seed): at}) for at in range(0, 900, 90)
        ]
        return sum(each.rows for each in added)

    async with asyncio.timeout(60):
        assert sum(await asyncio.gather(*map(writer, range(4)))) == len(events)
    await assert_the_roll_ups_are_the_sum_of_the_ledger(engine)


async def test_connections_killed_at_random_lose_and_repeat_nothing(engine: AsyncEngine, database: str) -> None:
    events, chance, away = attempts(1000, seed=5), random.Random(6), 0
    ledger = PostgresLedger(engine)

    async def killer() -> int:
        connection, kills = await asyncpg.connect(database), 0
        for _ in range(30):
            await asyncio.sleep(chance.uniform(0.005, 0.1))  # any moment of a transaction
            kills += await connection.fetchval(KILL_ALL_OTHERS)
        await connection.close()
        return kills

    killing = asyncio.create_task(killer())
    while not killing.done():
        begin = chance.randrange(len(events))
        try:
            await ledger.add(entries(events[begin : begin + 100]), {Place("usage", 0): begin})
        except AwayError:
            away += 1
    assert await killing
    assert away
    await engine.dispose()  # the last kill may have met a connection that only waits in the pool
    await ledger.add(entries(events), {Place("usage", 0): len(events)})
    assert await rows(engine, "select count(*) from usage_ledger") == [(len(events),)]
    assert await rows(engine, "select next_offset from consumed_offsets") == [(len(events),)]
    await assert_the_roll_ups_are_the_sum_of_the_ledger(engine)


async def test_a_batch_with_a_row_that_cannot_be_stored_leaves_no_trace(engine: AsyncEngine) -> None:
    good, bad = an_attempt(), an_attempt(usage=TokenUsage(output=2**31))
    with pytest.raises(UnstorableError):
        await PostgresLedger(engine).add(entries([good, bad]), {Place("usage", 0): 2})
    assert await rows(engine, "select job_id from usage_ledger") == []
    assert await rows(engine, "select tenant from usage_hourly") == []
    assert await rows(engine, "select topic from consumed_offsets") == []
    assert (await PostgresLedger(engine).add(entries([good]), {})).rows == 1


async def test_offsets_only_move_forward(engine: AsyncEngine) -> None:
    ledger = PostgresLedger(engine)
    for offset in (5, 9, 7):
        await ledger.add([], {Place("usage", 0): offset, Place("usage", 1): 20 - offset})
    assert await rows(engine, "select partition, next_offset from consumed_offsets order by 1") == [(0, 9), (1, 15)]


async def test_a_database_that_is_not_there_is_away() -> None:
    engine = engine_for("postgresql://nobody@127.0.0.1:1/nowhere")
    with pytest.raises(AwayError):
        await PostgresLedger(engine).add(entries([an_attempt()]), {})
    await engine.dispose()


async def test_to_add_to_a_sum_touches_no_index_and_leaves_nothing_to_clean_up(database: str) -> None:
    engine = engine_for(database)
    try:
        for _ in range(4):
            await PostgresLedger(engine).add(entries(attempts(300)), {})
    finally:
        await engine.dispose()  # a connection that ends tells what it has done
    updates = """
        select relname, n_tup_upd, n_tup_hot_upd from pg_stat_user_tables
        where relname in ('usage_hourly', 'usage_daily', 'latency_daily') and n_tup_upd > 0
    """
    connection = await asyncpg.connect(database)
    try:
        async with asyncio.timeout(20):
            while len(found := await connection.fetch(updates)) < 3:
                await asyncio.sleep(0.05)
    finally:
        await connection.close()
    assert all(row["n_tup_hot_upd"] == row["n_tup_upd"] for row in found), found
