"""`sluice usage` and what stands under it, on a ledger of its own: as a process, with its output and its exit code."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from pyarrow import parquet
from sqlalchemy.ext.asyncio import AsyncEngine

from cli.exit_codes import ExitCode
from services.accounting.ledger.engine import engine_for
from services.accounting.ledger.usage_store import PostgresLedger
from shared.contracts import AttemptFinished, TokenUsage
from shared.prices import OwnPrices
from shared.prices.genai import GenaiPrices
from tests.suites.accounting import NOON, an_attempt, entered
from tests.suites.command_line import Sluice

BOOK = OwnPrices((), GenaiPrices({}))


@pytest.fixture
async def engine(database: str) -> AsyncIterator[AsyncEngine]:
    engine = engine_for(database)
    yield engine
    await engine.dispose()


@pytest.fixture
def sluice(database: str, tmp_path: Path) -> Sluice:
    return Sluice(tmp_path, {"POSTGRES_URL": database})


async def record(engine: AsyncEngine, *events: AttemptFinished) -> None:
    await PostgresLedger(engine).add([entered(event, BOOK) for event in events], {})


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


async def test_usage_comes_by_any_dimension_in_any_form(engine: AsyncEngine, sluice: Sluice) -> None:
    usage = TokenUsage(output=1_000_000)
    eu = an_attempt(usage=usage).model_copy(update={"region": "eu", "tags": {"project": "x"}})
    await record(engine, eu, an_attempt(usage=usage, tenant="globex"), an_attempt(usage=usage, tenant="globex"))
    asked = ("usage", "--by", "region,tag:project", "--since", "all")

    as_json = (await sluice(*asked, "--json")).json
    assert [(line["region"], line["tag:project"], line["attempts"]) for line in as_json] == [
        ("", "", 2),
        ("eu", "x", 1),
    ]
    as_csv = list(csv.DictReader(io.StringIO((await sluice(*asked, "--csv")).out)))
    assert [line["cost_dollars"] for line in as_csv] == ["1.200000000", "0.600000000"]
    file = sluice.folder / "usage.parquet"
    written = await sluice(*asked, "--parquet", str(file))
    assert (written.out, written.err) == ("", f"2 rows in {file}.\n")
    assert parquet.read_table(file).column("cost_nanodollars").to_pylist() == [1_200_000_000, 600_000_000]


async def test_who_uses_most_comes_first_and_the_others_together(engine: AsyncEngine, sluice: Sluice) -> None:
    calls = [an_attempt(tenant=tenant) for tenant in ("a", "b", "b", "b", "c", "c", "d")]
    await record(engine, *calls)
    asked = ("usage", "top", "--by", "tenant", "--since", "all", "-n", "2")
    assert [line["tenant"] for line in (await sluice(*asked, "--json")).json] == ["b", "c"]
    table = [line.split() for line in (await sluice(*asked)).out.splitlines()]
    assert [line[0] for line in table] == ["TENANT", "b", "c", "2", "total"]
    assert table[-1][1] == "7"


async def test_a_month_is_reported_for_its_teams(engine: AsyncEngine, sluice: Sluice) -> None:
    of_search = an_attempt(usage=TokenUsage(output=1_000_000)).model_copy(update={"team": "search"})
    await record(engine, of_search, an_attempt(at=NOON - timedelta(days=31)))
    report = await sluice("cost", "report", "--month", "2026-11")
    lines = [line.split() for line in report.out.splitlines()]
    assert lines[1][:6] == ["acme", "search", "1", "1", "1,000,000", "$0.60"]
    assert [line[0] for line in lines] == ["TENANT", "acme", "total"]
