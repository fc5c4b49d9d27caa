"""`sluice export` writes days of the ledger as Parquet, whole, and again only when something has changed."""

import hashlib
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet
from sqlalchemy.ext.asyncio import AsyncEngine

from cli.spending.exporting import FOLDER, export_day
from services.accounting.ledger.days import COLUMNS
from services.accounting.ledger.engine import engine_for
from services.accounting.ledger.usage_store import PostgresLedger
from shared.blobs import open_blobs
from shared.contracts import AttemptFinished
from shared.prices import OwnPrices
from tests.suites.accounting import an_attempt, attempts, entered
from tests.suites.budgets import FlatPrices
from tests.suites.command_line import Sluice
from tests.suites.ledger_sums import rows

DAY = datetime(2026, 11, 19, 1, tzinfo=UTC)
PLACE = f"{FOLDER}/day=2026-11-19"


@pytest.fixture
async def engine(database: str) -> Any:
    engine = engine_for(database)
    yield engine
    await engine.dispose()


async def record(engine: AsyncEngine, *events: AttemptFinished) -> None:
    await PostgresLedger(engine).add([entered(event, OwnPrices((), FlatPrices())) for event in events], {})


async def test_a_day_is_written_in_files_that_the_manifest_names(engine: AsyncEngine, tmp_path: Path) -> None:
    events = attempts(25, at=DAY)
    await record(engine, *events, an_attempt(at=DAY + timedelta(days=1)))
    done = await export_day(engine, open_blobs(str(tmp_path)), DAY.date(), most_rows=10)
    manifest = json.loads((tmp_path / PLACE / "manifest.json").read_bytes())
    assert (done.files, done.totals.rows, [file["rows"] for file in manifest["files"]]) == (3, 25, [10, 10, 5])
    found: list[dict[str, object]] = []
    for file in manifest["files"]:
        content = (tmp_path / PLACE / file["name"]).read_bytes()
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (file["sha256"], file["bytes"])
        found += parquet.read_table(io.BytesIO(content)).to_pylist()
    assert {row["attempt_id"] for row in found} == {event.attempt_id for event in events}
    assert sum(row["cost_nanodollars"] or 0 for row in found) == manifest["totals"]["cost_nanodollars"]  # type: ignore[misc]
    columns, name = ", ".join(COLUMNS), events[0].attempt_id
    [expected] = await rows(engine, f"select {columns} from usage_ledger where attempt_id = '{name}'")  # noqa: S608
    [written] = [row for row in found if row["attempt_id"] == events[0].attempt_id]
    assert [json.loads(value) if name in ("tags", "units") else value for name, value in written.items()] == list(  # type: ignore[arg-type]
        expected
    )


async def test_a_day_is_left_alone_until_something_in_it_changes(engine: AsyncEngine, tmp_path: Path) -> None:
    blobs = open_blobs(str(tmp_path))
    await record(engine, an_attempt(at=DAY))
    assert (await export_day(engine, blobs, DAY.date())).changed
    manifest = (tmp_path / PLACE / "manifest.json").read_bytes()
    assert not (await export_day(engine, blobs, DAY.date())).changed
    assert (tmp_path / PLACE / "manifest.json").read_bytes() == manifest
    await record(engine, an_attempt(at=DAY))
    again = await export_day(engine, blobs, DAY.date())
    assert (again.changed, again.totals.rows) == (True, 2)
    named = [file["name"] for file in json.loads(manifest)["files"]]
    assert all((tmp_path / PLACE / name).exists() for name in named)


async def test_the_command_exports_the_days_that_are_over(engine: AsyncEngine, database: str, tmp_path: Path) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    await record(engine, an_attempt(at=yesterday), an_attempt(at=datetime.now(UTC)))
    sluice = Sluice(tmp_path, {"POSTGRES_URL": database})
    ran = await sluice("export", "--since", "3d", "--to", str(tmp_path / "out"), "--json")
    assert ran.code == 0, ran.err
    assert [(line["rows"], line["changed"]) for line in ran.lines] == [(0, True), (0, True), (1, True)]
    again = await sluice("export", "--since", "3d", "--to", str(tmp_path / "out"))
    assert [line.split()[-1] for line in again.out.splitlines()[1:]] == ["was"] * 3
    told = "select action, details ->> 'until', split_part(actor, ':', 1) from audit_log where tenant = '-'"
    assert await rows(engine, told) == [("exported", f"{datetime.now(UTC):%Y-%m-%d}", "cli")] * 2
