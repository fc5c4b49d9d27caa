"""Another price for rows that are written: both prices are kept, the sums follow, and twice is the same as once."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import date, timedelta
from decimal import Decimal

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.accounting.ledger.engine import engine_for
from services.accounting.ledger.repricing import Change, Rows, Scope, foreseen, reprice
from services.accounting.ledger.usage_store import PostgresLedger
from shared.config.schema import PriceOverride
from shared.contracts import AttemptFinished, AttemptStatus, TokenUsage
from shared.ids import JobId
from shared.prices import OwnPrices, PriceBook
from shared.prices.genai import GenaiPrices
from tests.suites.accounting import NOON, an_attempt, attempts, entered
from tests.suites.ledger_sums import assert_the_roll_ups_are_the_sum_of_the_ledger, rows

PUBLIC = GenaiPrices({})
BEFORE = OwnPrices((), PUBLIC)

ALWAYS = (NOON - timedelta(days=365), NOON + timedelta(days=365))
UNPRICED = Scope(Rows.UNPRICED, *ALWAYS)
ALL = Scope(Rows.ALL, *ALWAYS)


@pytest.fixture
async def engine(database: str) -> AsyncIterator[AsyncEngine]:
    engine = engine_for(database)
    yield engine
    await engine.dispose()


def book(**dollars: str) -> PriceBook:
    """Prices per million tokens by upstream model, before the public ones."""
    own = [
        PriceOverride(provider="openai", model=model.replace("_", "-"), input=Decimal(price), output=Decimal(price))
        for model, price in dollars.items()
    ]
    return OwnPrices(own, PUBLIC)


async def record(engine: AsyncEngine, *events: AttemptFinished, **partial_answers: str) -> None:
    await PostgresLedger(engine).add([entered(event, BEFORE, partial_answers) for event in events], {})


async def changed(engine: AsyncEngine, prices: PriceBook, scope: Scope = UNPRICED) -> Sequence[Change]:
    return [change async for page in reprice(engine, prices, scope) for change in page]


async def test_what_had_no_price_gets_one_and_its_history_says_so(engine: AsyncEngine) -> None:
    lacking = an_attempt(upstream="unheard-of", usage=TokenUsage(uncached_input=7, output=2))
    await record(engine, lacking, an_attempt())
    [change] = await changed(engine, book(unheard_of="3"))
    assert (change.job_id, change.cost_before_nanodollars, change.cost_after_nanodollars) == (
        lacking.job_id,
        None,
        27_000,
    )
    found = await rows(
        engine, "select cost_nanodollars, price_version from usage_ledger where upstream_model like 'un%'"
    )
    assert found == [(27_000, change.price_version_after)]
    assert await rows(
        engine,
        "select job_id, attempt, tenant, cost_before_nanodollars, cost_after_nanodollars, price_version_before,"
        " price_version_after from price_changes",
    ) == [
        (
            lacking.job_id,
            1,
            "acme",
            None,
            27_000,
            PUBLIC.quote("openai", "unheard-of", NOON).version,
            change.price_version_after,
        )
    ]
    assert await rows(engine, "select * from unpriced") == []
    await assert_the_roll_ups_are_the_sum_of_the_ledger(engine)


async def test_to_reprice_twice_is_to_reprice_once(engine: AsyncEngine) -> None:
    await record(engine, *attempts(120, seed=1))
    new = book(unheard_of="3", gpt_4o="1")
    assert await changed(engine, new, ALL)
    ledger, history = "select * from usage_ledger order by job_id", "select * from price_changes order by job_id"
    before = (await rows(engine, ledger), await rows(engine, history))
    assert await changed(engine, new, ALL) == []
    assert (await rows(engine, ledger), await rows(engine, history)) == before
    await assert_the_roll_ups_are_the_sum_of_the_ledger(engine)


async def test_every_price_a_row_ever_had_is_kept(engine: AsyncEngine) -> None:
    await record(engine, an_attempt(upstream="m", usage=TokenUsage(output=10)))
    for price in ("1", "4", "2"):
        await changed(engine, book(m=price), ALL)
    history = "select cost_before_nanodollars, cost_after_nanodollars from price_changes order by changed_at"
    assert await rows(engine, history) == [(None, 10_000), (10_000, 40_000), (40_000, 20_000)]
    assert await rows(engine, "select cost_nanodollars from usage_ledger") == [(20_000,)]
    assert await rows(engine, "select cost_nanodollars from usage_daily") == [(20_000,)]


async def test_rows_that_have_a_price_keep_it_unless_all_are_asked_for(engine: AsyncEngine) -> None:
    await record(engine, an_attempt(upstream="gpt-4o"))
    assert await changed(engine, book(gpt_4o="9")) == []
    assert len(await changed(engine, book(gpt_4o="9"), ALL)) == 1


async def test_a_price_that_is_not_known_any_more_takes_none_away(engine: AsyncEngine) -> None:
    await record(engine, an_attempt(upstream="m"))
    await changed(engine, book(m="2"))
    assert await changed(engine, BEFORE, ALL) == []
    assert await rows(engine, "select count(*) from usage_ledger where cost_nanodollars is null") == [(0,)]


async def test_only_calls_that_ended_in_the_time_are_asked_about(engine: AsyncEngine) -> None:
    days = [an_attempt(upstream="m", at=NOON + timedelta(days=day)) for day in range(4)]
    await record(engine, *days)
    scope = Scope(Rows.UNPRICED, days[1].ended_at, days[3].ended_at)
    assert {change.job_id for change in await changed(engine, book(m="2"), scope)} == {days[1].job_id, days[2].job_id}


async def test_the_price_is_that_of_the_moment_of_the_call_and_of_its_class_of_service(engine: AsyncEngine) -> None:
    early, late = (
        an_attempt(upstream="m", usage=TokenUsage(output=1), at=NOON + timedelta(days=day)) for day in (0, 9)
    )
    again = an_attempt(job=JobId(late.job_id), number=2, upstream="m", usage=TokenUsage(output=1), at=late.accepted_at)
    flex = again.model_copy(update={"service_tier": "flex"})
    await record(engine, early, late, flex)
    new = OwnPrices(
        [
            PriceOverride(provider="openai", model="m", input=Decimal(1), output=Decimal(1)),
            PriceOverride(provider="openai", model="m", input=Decimal(5), output=Decimal(5), since=date(2026, 11, 25)),
            PriceOverride(provider="openai", model="m", input=Decimal(3), output=Decimal(3), tier="flex"),
        ],
        PUBLIC,
    )
    await changed(engine, new)
    found = await rows(engine, "select job_id, attempt, cost_nanodollars from usage_ledger order by ended_at, attempt")
    assert found == [(early.job_id, 1, 1000), (late.job_id, 1, 5000), (late.job_id, 2, 3000)]


async def test_what_a_tenant_does_not_pay_it_does_not_pay_at_another_price(engine: AsyncEngine) -> None:
    await record(engine, an_attempt(upstream="m", status=AttemptStatus.FAILED), acme="free")
    await changed(engine, book(m="2"))
    assert await rows(engine, "select cost_nanodollars > 0, billed_nanodollars from usage_ledger") == [(True, 0)]
    await assert_the_roll_ups_are_the_sum_of_the_ledger(engine)


async def test_what_is_foreseen_is_what_is_done_and_changes_nothing(engine: AsyncEngine) -> None:
    await record(engine, *attempts(60, seed=2))
    new = book(unheard_of="3", gpt_4o="1")
    ledger = "select * from usage_ledger order by job_id"
    before = await rows(engine, ledger)
    seen = [change async for page in foreseen(engine, new, ALL) for change in page]
    assert await rows(engine, ledger) == before
    assert await changed(engine, new, ALL) == seen != []


async def test_two_at_once_and_a_writer_beside_them_neither_lose_nor_count_twice(engine: AsyncEngine) -> None:
    old, new = attempts(300, seed=3), attempts(300, seed=4)
    await record(engine, *old)

    async def write() -> None:
        for at in range(0, len(new), 30):
            await record(engine, *new[at : at + 30])

    prices = book(unheard_of="3", gpt_4o="1")
    async with asyncio.timeout(60):
        first, second, _ = await asyncio.gather(changed(engine, prices, ALL), changed(engine, prices, ALL), write())
    await changed(engine, prices, ALL)
    assert not {change.job_id for change in first} & {change.job_id for change in second}
    assert await rows(engine, "select count(*) from price_changes group by job_id, attempt having count(*) > 1") == []
    await assert_the_roll_ups_are_the_sum_of_the_ledger(engine)
