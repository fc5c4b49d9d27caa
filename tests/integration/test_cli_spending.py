"""`sluice usage` and what stands under it, on a ledger of its own: as a process, with its output and its exit code."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml
from sqlalchemy.ext.asyncio import AsyncEngine

from cli.exit_codes import ExitCode
from services.accounting.charging import enter
from services.accounting.ledger.engine import engine_for
from services.accounting.ledger.usage_store import PostgresLedger
from services.accounting.migrations import migrate
from shared.contracts import AttemptFinished, TokenUsage
from shared.prices import OwnPrices
from shared.prices.genai import GenaiPrices
from tests.suites.accounting import an_attempt
from tests.suites.command_line import Sluice

BOOK = OwnPrices((), GenaiPrices({}))


@pytest.fixture
async def engine(database: str) -> AsyncIterator[AsyncEngine]:
    engine = engine_for(database)
    await migrate(engine)
    yield engine
    await engine.dispose()


@pytest.fixture
def sluice(database: str, tmp_path: Path) -> Sluice:
    return Sluice(tmp_path, {"POSTGRES_URL": database})


async def record(engine: AsyncEngine, *events: AttemptFinished) -> None:
    await PostgresLedger(engine).add([enter(event, BOOK) for event in events], {})


async def test_rows_without_a_price_get_the_one_that_was_set_since(engine: AsyncEngine, sluice: Sluice) -> None:
    usage = TokenUsage(output=1_000_000)
    await record(engine, an_attempt(upstream="unheard-of", usage=usage), an_attempt(usage=usage))
    price = {"provider": "openai", "model": "unheard-of", "input": 1, "output": 2}
    (sluice.folder / "sluice.yaml").write_text(yaml.safe_dump({"prices": [price]}))

    async def lacking() -> list[str]:
        report = await sluice("usage", "--by", "deployment", "--since", "all", "--json")
        return [line["deployment"] for line in report.json if line["unpriced_attempts"]]

    assert await lacking() == ["openai/unheard-of"]
    seen = await sluice("usage", "reprice", "--since", "2026-11-01", "--until", "2026-12-01", "--dry-run")
    assert seen.code == ExitCode.OK
    assert "Nothing was changed." in seen.err
    assert await lacking() == ["openai/unheard-of"]

    done = await sluice("usage", "reprice", "--since", "2026-11-01", "--until", "2026-12-01", "--json")
    assert done.json == [
        {
            "provider": "openai",
            "model": "unheard-of",
            "calls": 1,
            "unpriced_before": 1,
            "before_nanodollars": 0,
            "after_nanodollars": 2_000_000_000,
        }
    ]
    assert await lacking() == []
    again = await sluice("usage", "reprice", "--since", "2026-11-01", "--until", "2026-12-01")
    assert (again.out, again.err) == ("", "No row has another price.\n")
