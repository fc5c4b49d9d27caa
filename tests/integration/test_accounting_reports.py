"""Reports add up, whatever they are grouped by."""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.accounting.ledger.engine import engine_for
from services.accounting.ledger.reports import Dimension, Tag, usage
from services.accounting.ledger.usage_store import PostgresLedger
from shared.contracts import AttemptFinished, TokenUsage
from shared.prices import OwnPrices
from shared.prices.genai import GenaiPrices
from tests.suites.accounting import NOON, an_attempt, attempts, entered


@pytest.fixture
async def engine(database: str) -> AsyncIterator[AsyncEngine]:
    engine = engine_for(database)
    yield engine
    await engine.dispose()


async def record(engine: AsyncEngine, *events: AttemptFinished) -> None:
    book = OwnPrices((), GenaiPrices({}))
    await PostgresLedger(engine).add([entered(event, book) for event in events], {})


async def test_the_lines_of_every_dimension_add_up_to_the_total(engine: AsyncEngine) -> None:
    await record(engine, *attempts(200))
    [total] = await usage(engine, [])
    for dimension in (*Dimension, Tag("team"), Tag("no'such")):
        lines = await usage(engine, [dimension])
        assert total.attempts == sum(line.attempts for line in lines) == 200, dimension
        assert total.jobs == sum(line.jobs for line in lines)
        assert total.tokens == sum((line.tokens for line in lines), TokenUsage())
        assert total.cost == sum(line.cost for line in lines)
        assert total.billed == sum(line.billed for line in lines)
        assert total.unpriced_tokens == sum(line.unpriced_tokens for line in lines)
        assert len({line.group for line in lines}) == len(lines)


async def test_the_ledger_tells_what_the_roll_up_does_not_and_both_say_the_same(engine: AsyncEngine) -> None:
    told = {"region": "eu", "service_tier": "flex", "team": "search", "tags": {"project": "x"}}
    await record(engine, *attempts(40), an_attempt().model_copy(update=told))
    known = [Dimension.DAY, Dimension.HOUR, Dimension.TEAM, Dimension.FEATURE, Dimension.MODEL_SERVED]
    rolled_up = {line.group: line for line in await usage(engine, known)}
    listed: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for line in await usage(engine, [*known, Dimension.REGION]):
        listed[line.group[:-1]] += Counter(attempts=line.attempts, cost=line.cost, billed=line.billed)
    assert {group: (line.attempts, line.cost, line.billed) for group, line in rolled_up.items()} == {
        group: (sums["attempts"], sums["cost"], sums["billed"]) for group, sums in listed.items()
    }
    [line] = [
        line
        for line in await usage(engine, [Dimension.REGION, Dimension.SERVICE_TIER, Tag("project")])
        if any(line.group)
    ]
    assert (line.group, line.attempts) == (("eu", "flex", "x"), 1)


async def test_a_line_says_what_was_used_and_how_long_it_took(engine: AsyncEngine) -> None:
    await record(engine, an_attempt(), an_attempt(upstream="unheard-of", usage=TokenUsage(output=5)))
    [line] = await usage(engine, [Dimension.DAY, Dimension.MODEL, Dimension.FEATURE])
    assert line.group == ("2026-11-20", "m1", "search")
    assert line.tokens == TokenUsage(uncached_input=100, cache_read=20, output=55, reasoning=5)
    assert (line.cost, line.unpriced_attempts, line.unpriced_tokens) == (100 * 150 + 20 * 75 + 50 * 600, 1, 5)
    assert (line.mean_queue_ms, line.mean_duration_ms, line.mean_first_token_ms) == (1500, 2750, 400)


async def test_nothing_used_gives_no_lines(engine: AsyncEngine) -> None:
    assert await usage(engine, []) == ()
    assert await usage(engine, [Dimension.TENANT]) == ()


async def test_a_report_can_be_cut_by_time_and_tenant(engine: AsyncEngine) -> None:
    hours = [NOON + timedelta(hours=hour) for hour in range(4)]
    await record(engine, *(an_attempt(at=hour) for hour in hours), an_attempt(tenant="globex", at=hours[1]))
    lines = await usage(engine, [Dimension.HOUR], since=hours[1], until=hours[3], tenant="acme")
    assert [line.group for line in lines] == [("2026-11-20T13:00Z",), ("2026-11-20T14:00Z",)]
    assert [line.attempts for line in lines] == [1, 1]


async def test_the_hour_in_which_a_report_begins_is_in_it_whatever_the_time_zone(engine: AsyncEngine) -> None:
    await record(engine, an_attempt(at=datetime(2026, 11, 20, 12, 5, tzinfo=UTC)))
    half_past_five_in_mumbai = datetime(2026, 11, 20, 18, 10, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    assert len(await usage(engine, [], since=half_past_five_in_mumbai)) == 1
    assert await usage(engine, [], since=half_past_five_in_mumbai + timedelta(hours=1)) == ()
