"""Every query of the Grafana dashboard runs on the schema that the migrations build, and finds what is there."""

import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import asyncpg
import pytest

from services.accounting.ledger.budget_rules import keep_rules
from services.accounting.ledger.engine import engine_for
from services.accounting.ledger.usage_store import PostgresLedger
from shared.prices import OwnPrices
from tests.suites.accounting import an_attempt, entered
from tests.suites.budgets import FlatPrices, a_rule

DASHBOARD: Final[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "deploy/grafana/usage-and-cost.json").read_text(encoding="utf-8")
)
_MACRO: Final = re.compile(r"\$__timeFilter\((\w+)\)")


def as_grafana_sends_it(query: str) -> str:
    now, day = datetime.now(UTC), timedelta(days=1)
    query = _MACRO.sub(rf"\1 between '{(now - day).isoformat()}' and '{(now + day).isoformat()}'", query)
    return query.replace("${tenant:sqlstring}", "'acme'")


@pytest.fixture
async def connection(database: str) -> AsyncIterator[asyncpg.Connection]:
    engine = engine_for(database)
    await keep_rules(engine, [a_rule()])
    at = datetime.now(UTC)
    events = [an_attempt(at=at), an_attempt(at=at, upstream="unpriced")]
    await PostgresLedger(engine).add([entered(event, OwnPrices((), FlatPrices())) for event in events], {})
    await engine.dispose()
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


async def test_every_panel_shows_something(connection: asyncpg.Connection) -> None:
    empty = []
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            rows = await connection.fetch(as_grafana_sends_it(target["rawSql"]))
            if not rows or all(value is None for value in rows[0].values()):
                empty.append(panel["title"])
            if target["format"] == "time_series":
                assert list(rows[0].keys()) == ["time", "metric", "value"], panel["title"]
    assert empty == []


async def test_the_tenants_to_choose_from_are_those_of_the_ledger(connection: asyncpg.Connection) -> None:
    [variable] = [each for each in DASHBOARD["templating"]["list"] if each["name"] == "tenant"]
    assert [row[0] for row in await connection.fetch(variable["query"])] == ["acme"]


def test_the_panels_lie_beside_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
