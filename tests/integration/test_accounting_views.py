"""What analysts see: views that agree with the ledger, and of it only what concerns them."""

import math
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.accounting.ledger.engine import engine_for
from services.accounting.ledger.job_store import PostgresJobs
from services.accounting.ledger.usage_store import PostgresLedger
from shared.audit import Event, append
from shared.config.schema import Retention
from shared.contracts import AttemptFinished, AttemptRole, AttemptStatus, AuditAction, TokenUsage
from shared.ids import new_job_id
from shared.prices import OwnPrices
from shared.prices.genai import GenaiPrices
from tests.suites.accounting import NOON, a_job, an_attempt, attempts, entered
from tests.suites.ledger_sums import rows

BOOK = OwnPrices((), GenaiPrices({}))
VIEWS = (
    "usage_by_day",
    "cost_by_team",
    "cost_by_model",
    "latency_percentiles",
    "failover_rate",
    "unpriced",
    "job_costs",
    "cache_savings",
)
TABLES = ("usage_ledger", "usage_hourly", "usage_daily", "latency_daily")


@pytest.fixture
async def engine(database: str) -> AsyncIterator[AsyncEngine]:
    engine = engine_for(database)
    yield engine
    await engine.dispose()


async def record(engine: AsyncEngine, *events: AttemptFinished) -> None:
    await PostgresLedger(engine).add([entered(event, BOOK) for event in events], {})


async def test_the_views_show_dollars(engine: AsyncEngine) -> None:
    job = new_job_id()
    tries = [an_attempt(job=job, number=number, usage=TokenUsage(output=1_000_000)) for number in (1, 2)]
    odd = an_attempt(job=job, number=3, upstream="unheard-of", feature=None, served=None, usage=TokenUsage(output=4))
    await record(engine, *tries, odd)
    dollars = Decimal("1.2")
    assert await rows(engine, "select job_id, attempts, cost_dollars, unpriced_attempts from job_costs") == [
        (job, 3, dollars, 1)
    ]
    assert await rows(
        engine, "select day::text, feature, attempts, cost_dollars, unpriced_tokens from usage_by_day order by feature"
    ) == [("2026-11-20", "search", 2, dollars, 0), ("2026-11-20", None, 1, Decimal(0), 4)]
    assert await rows(
        engine, "select model_asked, model_served, cost_dollars from cost_by_model order by model_served"
    ) == [("m1", "m1-2026-01", dollars), ("m1", None, Decimal(0))]


async def test_every_view_of_money_adds_up_to_the_ledger(engine: AsyncEngine) -> None:
    await record(engine, *attempts(150, seed=4))
    tokens = "sum(uncached_input_tokens), sum(cache_write_tokens), sum(cache_read_tokens), sum(output_tokens)"
    nanos = "sum(cost_nanodollars * 0.000000001), sum(billed_nanodollars * 0.000000001)"
    truth = await rows(engine, f"select count(*), {tokens}, {nanos} from usage_ledger")  # noqa: S608
    for view in ("usage_by_day", "cost_by_team", "cost_by_model"):
        shown = f"select sum(attempts), {tokens}, sum(cost_dollars), sum(billed_dollars) from {view}"  # noqa: S608
        assert await rows(engine, shown) == truth, view


async def test_a_team_has_its_costs_and_who_is_in_none_has_theirs(engine: AsyncEngine) -> None:
    usage = TokenUsage(output=1_000_000)
    of_search = [an_attempt(usage=usage).model_copy(update={"team": "search"}) for _ in range(2)]
    await record(engine, *of_search, an_attempt(usage=usage), an_attempt(usage=usage, tenant="globex"))
    assert await rows(engine, "select tenant, team, cost_dollars from cost_by_team order by 1, 2") == [
        ("acme", "search", Decimal("1.2")),
        ("acme", None, Decimal("0.6")),
        ("globex", None, Decimal("0.6")),
    ]


async def test_percentiles_are_within_a_twentieth(engine: AsyncEngine) -> None:
    spans = [round(20 * 1.02**step) for step in range(400)]
    await record(engine, *(lasting(span) for span in spans))
    [found] = await rows(
        engine,
        "select calls, p50_ms, p90_ms, p95_ms, p99_ms from latency_percentiles where measure = 'duration'",
    )
    calls, *shown = found
    assert calls == len(spans)
    exact = [spans[math.ceil(share * len(spans)) - 1] for share in (0.5, 0.9, 0.95, 0.99)]
    for value, true in zip(shown, exact, strict=True):
        assert abs(int(str(value)) - true) <= 0.05 * true + 1


async def test_percentiles_of_several_days_and_tenants_are_those_of_their_sum(engine: AsyncEngine) -> None:
    spans = [round(20 * 1.02**step) for step in range(400)]
    days = [NOON + timedelta(days=day) for day in range(4)]
    tenants = ("acme", "globex")
    events = [lasting(span, days[place % 4], tenants[place % 2]) for place, span in enumerate(spans)]
    await record(engine, *events)
    shares = (0.5, 0.99)
    asked = ", ".join(f"latency_percentile(sum(duration), {share})" for share in shares)
    [shown] = await rows(engine, f"select {asked} from latency_daily")  # noqa: S608
    for value, share in zip(shown, shares, strict=True):
        true = spans[math.ceil(share * len(spans)) - 1]
        assert abs(int(str(value)) - true) <= 0.05 * true + 1
    nothing = "select latency_percentile(sum(duration), 0.5) from latency_daily where tenant = 'nobody'"
    assert await rows(engine, nothing) == [(None,)]


def lasting(milliseconds: int, at: datetime = NOON, tenant: str = "acme") -> AttemptFinished:
    event = an_attempt(at=at, tenant=tenant)
    return event.model_copy(update={"ended_at": event.started_at + timedelta(milliseconds=milliseconds)})


async def test_calls_that_failed_do_not_make_a_deployment_look_quick(engine: AsyncEngine) -> None:
    await record(engine, an_attempt(), *(an_attempt(status=AttemptStatus.FAILED) for _ in range(9)))
    assert await rows(engine, "select distinct calls from latency_percentiles") == [(1,)]


async def test_the_rate_of_failovers_is_theirs_per_job(engine: AsyncEngine) -> None:
    jobs = [new_job_id() for _ in range(4)]
    first = [an_attempt(job=job, status=AttemptStatus.FAILED, at=NOON) for job in jobs]
    again = an_attempt(job=jobs[0], number=2).model_copy(update={"role": AttemptRole.RETRY})
    elsewhere = an_attempt(job=jobs[1], number=2, provider="azure").model_copy(update={"role": AttemptRole.FAILOVER})
    await record(engine, *first, again, elsewhere)
    assert await rows(
        engine, "select jobs, attempts, failed_attempts, retries, failovers, failover_rate from failover_rate"
    ) == [(4, 6, 4, 1, 1, Decimal("0.2500"))]


async def test_what_has_no_price_is_listed_by_what_it_would_need(engine: AsyncEngine) -> None:
    lacking = [
        an_attempt(upstream="unheard-of", usage=TokenUsage(output=7), at=NOON + timedelta(days=day)) for day in (0, 3)
    ]
    await record(engine, *lacking, an_attempt())
    assert await rows(
        engine, "select provider, upstream_model, service_tier, attempts, unpriced_tokens, until - since from unpriced"
    ) == [("openai", "unheard-of", None, 2, 14, timedelta(days=3))]


async def test_what_prompt_caches_saved_is_told_against_the_price_without_them(engine: AsyncEngine) -> None:
    """gpt-4o-mini: 0.15 dollars a million tokens, from the cache half of that."""
    cached = TokenUsage(uncached_input=1_000_000, cache_read=2_000_000)
    await record(engine, an_attempt(usage=cached), an_attempt(usage=TokenUsage(uncached_input=1_000_000)))
    await record(engine, an_attempt(tenant="globex", usage=TokenUsage(uncached_input=7)))
    assert await rows(
        engine,
        "select tenant, cache, input_tokens, cache_read_tokens, saved_dollars, unpriced_tokens from cache_savings",
    ) == [("acme", "provider", 4_000_000, 2_000_000, Decimal("0.15"), 0)]


class Analyst:
    """A role that logs in with a password of its own, as a person does."""

    def __init__(self, database: str, owner: asyncpg.Connection, name: str) -> None:
        url = urlsplit(database)
        self._url = urlunsplit(url._replace(netloc=f"{quote(name)}:secret@{url.hostname}:{url.port}"))
        self._owner = owner
        self.name = name

    async def come(self, *tenants: str) -> None:
        await self._owner.execute(f"create role \"{self.name}\" login password 'secret' in role sluice_reader")
        for tenant in tenants:
            await self._owner.execute("insert into analyst_access values ($1, $2)", self.name, tenant)

    async def go(self) -> None:
        await self._owner.execute(f'drop role if exists "{self.name}"')

    async def ask(self, query: str) -> Sequence[asyncpg.Record]:
        connection = await asyncpg.connect(self._url)
        try:
            return await connection.fetch(query)
        finally:
            await connection.close()


@pytest.fixture
async def analyst(engine: AsyncEngine, database: str, fresh_name: Callable[[str], str]) -> AsyncIterator[Analyst]:
    owner = await asyncpg.connect(database)
    analyst = Analyst(database, owner, fresh_name("analyst"))
    yield analyst
    await analyst.go()
    await owner.close()


async def test_an_analyst_of_a_tenant_sees_its_rows_and_no_others(engine: AsyncEngine, analyst: Analyst) -> None:
    of_each = [an_attempt(tenant=tenant, model=tenant, upstream="unheard-of") for tenant in ("acme", "globex")]
    await record(engine, *of_each)
    await analyst.come("acme")
    for source in (*VIEWS, *TABLES):
        told = "tenant" if source not in ("cost_by_model", "latency_percentiles") else "model_asked"
        found = await analyst.ask(f"select distinct {told} from {source}")  # noqa: S608
        assert [row[0] for row in found] == ["acme"], source


async def test_an_analyst_of_everybody_sees_everybody_and_one_of_nobody_sees_nothing(
    engine: AsyncEngine, analyst: Analyst, database: str, fresh_name: Callable[[str], str]
) -> None:
    await record(engine, an_attempt(tenant="acme"), an_attempt(tenant="globex"))
    await analyst.come("*")
    assert [row[0] for row in await analyst.ask("select tenant from usage_ledger order by 1")] == ["acme", "globex"]
    async with engine.begin() as connection:
        await connection.execute(text("delete from analyst_access"))
    assert await analyst.ask("select tenant from usage_ledger") == []
    assert await analyst.ask("select tenant from usage_by_day") == []


async def test_an_analyst_reads_about_jobs_and_not_what_was_said_in_them(engine: AsyncEngine, analyst: Analyst) -> None:
    await PostgresJobs(engine, Retention()).accept([a_job(tenant="acme"), a_job(tenant="globex")], {})
    await analyst.come("acme")
    assert [row[0] for row in await analyst.ask("select tenant from jobs")] == ["acme"]
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await analyst.ask("select request from jobs")


ATTACKS = (
    "update usage_ledger set cost_nanodollars = 0",
    "delete from usage_daily",
    "insert into analyst_access values (session_user, '*')",
    "select * from analyst_access",
    "select * from usage_ledger_rest",
    "alter table usage_ledger disable row level security",
)


async def test_an_analyst_changes_nothing_and_comes_no_further(engine: AsyncEngine, analyst: Analyst) -> None:
    await record(engine, an_attempt(tenant="globex"))
    await analyst.come("acme")
    for attack in ATTACKS:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await analyst.ask(attack)


async def test_nothing_that_an_analyst_may_read_tells_of_another_tenant(
    engine: AsyncEngine, analyst: Analyst, database: str
) -> None:
    """Every table, view and column, also those that are made after this test."""
    theirs = an_attempt(tenant="globex", model="globex-m", served="globex-m", upstream="globex-m", feature="globex-f")
    await record(
        engine, theirs.model_copy(update={"team": "globex-team", "caller": "globex-key"}), an_attempt(tenant="acme")
    )
    await PostgresJobs(engine, Retention()).accept([a_job(tenant="globex", user="globex-u"), a_job(tenant="acme")], {})
    connection = await asyncpg.connect(database)
    for tenant in ("globex", "acme"):
        async with connection.transaction():
            await append(connection, Event(tenant, NOON, "admin:ops", AuditAction.BLOCKED, f"tenant:{tenant}"))
    await connection.close()
    await analyst.come("acme")
    columns = await analyst.ask(
        "select table_name, string_agg(quote_ident(column_name), ', ') from information_schema.columns "
        "where table_schema = 'public' group by 1"
    )
    assert {table for table, _ in columns} >= {*VIEWS, *TABLES, "jobs", "audit_log"}
    seen = {table: await analyst.ask(f"select {listed} from {table}") for table, listed in columns}  # noqa: S608
    assert [table for table, found in seen.items() if "globex" in repr(found)] == []
    assert all(seen[table] for table in (*TABLES, "jobs", "audit_log", "usage_by_day"))
