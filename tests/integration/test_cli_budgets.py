"""`sluice budgets` shows what is spent, held and left."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.accounting.ledger.budget_rules import keep_rules
from services.accounting.ledger.engine import engine_for
from services.accounting.ledger.usage_store import PostgresLedger
from shared.contracts import TokenUsage
from shared.prices import OwnPrices
from tests.suites.accounting import an_attempt, entered
from tests.suites.budgets import FlatPrices, a_rule
from tests.suites.command_line import Sluice


@pytest.fixture
def sluice(database: str, tmp_path: Path) -> Sluice:
    return Sluice(tmp_path, {"POSTGRES_URL": database})


async def test_budgets_are_shown_as_a_table_and_as_json(database: str, sluice: Sluice) -> None:
    engine = engine_for(database)
    empty = await sluice("budgets")
    assert (empty.code, empty.out) == (0, "")
    await keep_rules(engine, [a_rule(dollars=2), a_rule("total", per="total", tenant="rival", hard=False)])
    event = an_attempt(usage=TokenUsage(uncached_input=500_000))
    await PostgresLedger(engine).add([entered(event, OwnPrices((), FlatPrices()))], {})
    await engine.dispose()
    table = await sluice("budgets")
    assert table.code == 0, table.err
    first, second = (line.split() for line in table.out.splitlines()[1:])
    period = f"{datetime.now(UTC):%Y-%m}"
    assert first == ["acme", "month", period, "$2.00", "$0.50", "$0.00", "$1.50", "25.0%", "refused", "sluice.yaml"]
    assert second[-3:] == ["0.0%", "told", "sluice.yaml"]
    [found] = (await sluice("budgets", "list", "--tenant", "acme", "--json")).json
    assert (found["spent"], found["left"], found["hard"]) == ("0.500000000", "1.500000000", True)
