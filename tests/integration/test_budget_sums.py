"""What is spent of a budget is the sum of the ledger, by the tenant's calendar; alerts are raised once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.accounting.ledger.alert_store import PostgresAlerts
from services.accounting.ledger.budget_agreement import budget_differences
from services.accounting.ledger.budget_beginnings import begin_new
from services.accounting.ledger.budget_rules import keep_rules, write_rules
from services.accounting.ledger.budget_store import PostgresBudgets
from services.accounting.ledger.engine import engine_for
from services.accounting.ledger.job_store import PostgresJobs
from services.accounting.ledger.repricing import Rows, Scope, reprice
from services.accounting.ledger.usage_store import PostgresLedger
from services.accounting.ports import AwayError, UnstorableError
from shared.config.schema import PriceOverride, Retention
from shared.contracts import AttemptFinished, AttemptStatus, Reserved, TokenUsage
from shared.ids import derived_job_id, job_unix_ms
from shared.prices import OwnPrices
from tests.suites.accounting import a_job, an_attempt, an_end, attempts, entered
from tests.suites.budgets import FlatPrices, a_rule
from tests.suites.ledger_sums import rows

BOOK = OwnPrices((), FlatPrices())
SPEND = "select budget, period, spent_nanodollars, unpriced_attempts from budget_spend order by 1, 2"


@pytest.fixture
async def engine(database: str) -> AsyncIterator[AsyncEngine]:
    engine = engine_for(database)
    yield engine
    await engine.dispose()


async def record(engine: AsyncEngine, *events: AttemptFinished) -> None:
    await PostgresLedger(engine).add([entered(event, BOOK) for event in events], {})


def charging(dollars: float, at: datetime, **fields: object) -> AttemptFinished:
    """A call that costs so much, of a job that was submitted then."""
    job = derived_job_id(int(at.timestamp() * 1000), str(dollars), str(fields))
    event = an_attempt(job=job, usage=TokenUsage(uncached_input=int(dollars * 1_000_000)), at=at)
    return event.model_copy(update=fields)


NIGHT = datetime(2026, 11, 30, 22, 30, tzinfo=UTC)


async def test_each_budget_sums_up_what_it_binds_in_the_periods_of_the_tenants_calendar(engine: AsyncEngine) -> None:
    zone = {"time_zone": "Europe/Berlin"}
    await keep_rules(
        engine,
        [
            a_rule("month", **zone),
            a_rule("day team=red", per="day", team="red", **zone),
            a_rule("total tag", per="total", tag=("project", "apollo"), **zone),
            a_rule("other", tenant="rival"),
        ],
    )
    before = charging(0.25, NIGHT, team="red", tags={"project": "apollo"})
    after = charging(0.5, NIGHT + timedelta(hours=1), team="red", tags={"project": "gemini"})
    await record(engine, before, after, charging(0.125, NIGHT, team="blue"), charging(1, NIGHT, tenant="rival"))
    assert await rows(engine, SPEND) == [
        ("day team=red", "2026-11-30", 250_000_000, 0),
        ("day team=red", "2026-12-01", 500_000_000, 0),
        ("month", "2026-11", 375_000_000, 0),
        ("month", "2026-12", 500_000_000, 0),
        ("other", "2026-11", 1_000_000_000, 0),
        ("total tag", "total", 250_000_000, 0),
    ]


async def test_what_is_recorded_again_is_not_spent_again(engine: AsyncEngine) -> None:
    await keep_rules(engine, [a_rule(per="total")])
    events = [charging(0.1, NIGHT), charging(0.2, NIGHT)]
    await record(engine, events[0])
    await record(engine, *events)
    await record(engine, *events)
    assert await rows(engine, SPEND) == [("month", "total", 300_000_000, 0)]


async def test_a_budget_that_comes_later_begins_with_what_is_spent_already(engine: AsyncEngine) -> None:
    events = attempts(200, at=datetime.now(UTC) - timedelta(hours=3))
    rules = [
        a_rule(per="total", tenant=tenant, name=f"total {tenant} {team}", team=team)
        for tenant in {event.tenant for event in events}
        for team in (None, "red")
    ]
    await keep_rules(engine, rules[:1])
    await record(engine, *events[:100])
    await keep_rules(engine, rules)
    await record(engine, *events[100:])
    sums = """
        select b.budget, coalesce(sum(l.cost_nanodollars), 0)::bigint,
               count(*) filter (where l.cost_nanodollars is null)
        from budgets b join usage_ledger l on l.tenant = b.tenant and (b.team is null or b.team = l.team)
        group by 1 order by 1
    """
    found = await rows(engine, "select budget, spent_nanodollars, unpriced_attempts from budget_spend order by 1")
    assert found == await rows(engine, sums)


async def test_what_is_recorded_while_budgets_begin_is_in_their_sums_once(engine: AsyncEngine) -> None:
    events = attempts(240, at=datetime.now(UTC) - timedelta(hours=3))
    await record(engine, *events[:100])
    bounds: dict[str, dict[str, object]] = {
        "": {},
        " m": {"model": "m1"},
        " k": {"key": "key1"},
        " t": {"tag": ("project", "apollo")},
    }
    rules = [
        a_rule(f"{per}{suffix}", per=per, tenant=tenant, **bound)
        for tenant in ("acme", "globex", "initech")
        for per in ("day", "total")
        for suffix, bound in bounds.items()
    ]

    async def go_on() -> None:
        for at in range(120, len(events), 4):
            await record(engine, *events[at : at + 4])

    await write_rules(engine, rules)
    await record(engine, *events[80:120])
    await asyncio.gather(go_on(), begin_new(engine), begin_new(engine))
    await begin_new(engine)
    assert await rows(engine, "select count(*) from budgets where begun_at is null") == [(0,)]
    sums = """
        select b.tenant, b.budget, budget_period(b.per, b.time_zone, l.keyed_at), sum(l.cost_nanodollars)::bigint,
               count(*) filter (where l.cost_nanodollars is null)
        from budgets b join usage_ledger l on l.tenant = b.tenant
             and l.model_asked = coalesce(b.model_asked, l.model_asked) and l.caller = coalesce(b.caller, l.caller)
             and (b.tag_name is null or l.tags ->> b.tag_name = b.tag_value)
        group by 1, 2, 3 order by 1, 2, 3
    """
    columns = "tenant, budget, period, spent_nanodollars, unpriced_attempts"
    assert await rows(engine, f"select {columns} from budget_spend order by 1, 2, 3") == await rows(engine, sums)  # noqa: S608
    assert await budget_differences(engine, datetime.now(UTC) - timedelta(days=1)) == []


async def test_another_limit_keeps_the_sum_and_another_calendar_makes_it_anew(engine: AsyncEngine) -> None:
    await keep_rules(engine, [a_rule(), a_rule("gone")])
    now = datetime.now(UTC)
    await record(engine, charging(0.5, now))
    await keep_rules(engine, [a_rule(dollars=7)])
    assert await rows(engine, "select budget, limit_nanodollars from budgets") == [("month", 7_000_000_000)]
    await keep_rules(engine, [a_rule(dollars=7, time_zone="Asia/Tokyo")])
    local = a_rule(time_zone="Asia/Tokyo").period(now)
    found = await rows(engine, "select period, spent_nanodollars from budget_spend where budget = 'month'")
    assert found == [(local, 500_000_000)]


async def test_a_new_price_changes_what_is_spent(engine: AsyncEngine) -> None:
    await keep_rules(engine, [a_rule(per="total")])
    lacking = charging(1, NIGHT).model_copy(update={"upstream_model": "unpriced"})
    await record(engine, charging(0.5, NIGHT), lacking)
    assert await rows(engine, SPEND) == [("month", "total", 500_000_000, 1)]
    price = PriceOverride(provider="openai", model="unpriced", input=Decimal(3), output=Decimal(3))
    scope = Scope(Rows.UNPRICED, NIGHT - timedelta(days=1), NIGHT + timedelta(days=1))
    async for _ in reprice(engine, OwnPrices([price], FlatPrices()), scope):
        pass
    assert await rows(engine, SPEND) == [("month", "total", 3_500_000_000, 0)]


async def test_a_time_zone_that_postgres_does_not_know_never_gets_into_the_table(engine: AsyncEngine) -> None:
    with pytest.raises(UnstorableError, match="time zone"):
        await keep_rules(engine, [a_rule(time_zone="Mars/Base")])
    await record(engine, charging(0.5, NIGHT))


async def test_each_part_of_a_budget_raises_one_alert(engine: AsyncEngine) -> None:
    await keep_rules(engine, [a_rule(per="total", alerts=(50, 80, 100)), a_rule("quiet", alerts=())])
    told: list[tuple[str, int]] = []

    async def tell() -> list[int]:
        async with PostgresAlerts(engine).untold() as alerts:
            told.extend((alert.id, alert.percent) for alert in alerts)
            return [alert.percent for alert in alerts]

    found = []
    for at, dollars in enumerate((0.49, 0.01, 0.2, 0.2, 0.5, 0.5)):
        await record(engine, charging(dollars, NIGHT + timedelta(seconds=at)))
        found.append(await tell())
    assert found == [[], [50], [], [80], [100], []]
    assert len({name for name, _ in told}) == 3


async def test_an_alert_that_could_not_be_told_is_told_again_under_its_id(engine: AsyncEngine) -> None:
    await keep_rules(engine, [a_rule(per="total", alerts=(50,))])
    await record(engine, charging(0.6, NIGHT))
    names = []
    for _ in range(2):
        with suppress(AwayError):
            async with PostgresAlerts(engine).untold() as alerts:
                names += [alert.id for alert in alerts]
                raise AwayError("Kafka went for lunch")
    assert len(names) == 2
    assert len(set(names)) == 1


async def test_a_job_is_settled_when_it_has_ended_and_every_call_is_in_the_ledger(engine: AsyncEngine) -> None:
    await keep_rules(engine, [a_rule(per="total")])
    reserved = Reserved(nanodollars=5, windows=("total month",))
    job = a_job().model_copy(update={"reserved": reserved})
    jobs, store = PostgresJobs(engine, Retention()), PostgresBudgets(engine)
    await jobs.accept([job], {})
    [held] = (await store.held("acme")).items()
    assert (held[0], held[1].nanodollars, held[1].windows) == (job.id, 5, ("total month",))
    await jobs.end([an_end(job.id).model_copy(update={"ended_at": datetime.now(UTC)})], {})
    assert (await store.settle(["acme"], [job.id]))["acme"].jobs == ()
    await record(engine, an_attempt(job=job.id, usage=TokenUsage(output=10)))
    settled = (await store.settle(["acme"], [job.id]))["acme"]
    assert settled.jobs == (job.id,)
    assert [figure.spent_nanodollars for figure in settled.figures] == [20_000]
    assert await store.held("acme") == {}
    assert (await store.known([job.id, "job_of_nobody"])).settled == {job.id}


async def test_a_job_one_of_whose_calls_broke_holds_money_for_another(engine: AsyncEngine) -> None:
    job = a_job().model_copy(update={"reserved": Reserved(nanodollars=5, windows=("total month",))})
    store = PostgresBudgets(engine)
    await PostgresJobs(engine, Retention()).accept([job], {})
    refused = an_attempt(job=job.id, number=1, status=AttemptStatus.FAILED, usage=TokenUsage())
    await record(engine, refused)
    assert (await store.held("acme"))[job.id].nanodollars == 5
    await record(engine, an_attempt(job=job.id, number=2, status=AttemptStatus.FAILED, usage=TokenUsage(output=1)))
    assert (await store.held("acme"))[job.id].nanodollars == 10


async def test_the_view_shows_how_each_budget_stands(engine: AsyncEngine) -> None:
    await keep_rules(engine, [a_rule(dollars=4), a_rule("day", per="day", dollars=1, hard=False)])
    job = a_job()
    submitted = datetime.fromtimestamp(job_unix_ms(job.id) / 1000, UTC)
    windows = (a_rule().window(submitted),)
    await PostgresJobs(engine, Retention()).accept(
        [job.model_copy(update={"reserved": Reserved(nanodollars=500_000_000, windows=windows)})], {}
    )
    await record(engine, charging(1, submitted))
    found = await rows(
        engine,
        "select budget, hard, limit_dollars, spent_dollars, held_dollars, left_dollars, spent_percent"
        " from budget_status order by 1",
    )
    assert found == [
        ("day", False, Decimal(1), Decimal(1), Decimal(0), Decimal(0), Decimal("100.0")),
        ("month", True, Decimal(4), Decimal(1), Decimal("0.5"), Decimal("2.5"), Decimal("25.0")),
    ]


async def test_who_has_hard_budgets_is_told(engine: AsyncEngine) -> None:
    await keep_rules(engine, [a_rule(), a_rule("soft", hard=False), a_rule(tenant="rival", hard=False)])
    store = PostgresBudgets(engine)
    assert {tenant: (found.limits, found.opened) for tenant, found in (await store.hard()).items()} == {
        "acme": ({"month": a_rule().limit}, False)
    }
    await store.opened(["acme"])
    assert (await store.hard())["acme"].opened
    await keep_rules(engine, [replace(a_rule(), hard=False)])
    assert await store.hard() == {}


async def test_a_job_one_of_whose_calls_never_comes_holds_nothing_for_ever(engine: AsyncEngine) -> None:
    await keep_rules(engine, [a_rule(per="total")])
    jobs, store = PostgresJobs(engine, Retention()), PostgresBudgets(engine)
    job = a_job().model_copy(update={"reserved": Reserved(nanodollars=5, windows=("total month",))})
    await jobs.accept([job], {})
    await jobs.end([an_end(job.id)], {})  # yesterday
    assert (await store.settle(["acme"], [job.id]))["acme"].jobs == (job.id,)


async def test_the_audit_names_a_budget_that_is_not_the_sum_of_the_ledger(engine: AsyncEngine) -> None:
    rules = [
        a_rule("month", time_zone="Asia/Kolkata"),
        a_rule("day", per="day", team="red"),
        a_rule("total", per="total", tag=("team", "red")),
    ]
    await keep_rules(engine, rules)
    now = datetime.now(UTC)
    await record(engine, charging(0.5, now, team="red"), charging(0.25, now), charging(1, now - timedelta(days=1)))
    since = now - timedelta(hours=25)
    assert await budget_differences(engine, since) == []
    async with engine.begin() as connection:
        await connection.execute(text("update budget_spend set spent_nanodollars = spent_nanodollars - 1"))
    told = {each.what.partition(" ")[2]: (each.first, each.second) for each in await budget_differences(engine, since)}
    assert {what.rpartition(" ")[2] for what in told} == {"month", "day", "total"}
    assert told[f"{now:%Y-%m-%d} day"] == ("500000000", "499999999")
