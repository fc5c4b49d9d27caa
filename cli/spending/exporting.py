"""How does a day of the ledger get into the object store? As Parquet files and a manifest, which is written last.

A file is named by what is in it, and no file is changed: whoever reads by the manifest of an hour ago finds all that it
names. What is in no manifest is not there.
"""

import hashlib
import io
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from getpass import getuser
from socket import gethostname
from typing import Any, Final

import asyncpg
from sqlalchemy import BigInteger, DateTime, Integer
from sqlalchemy.ext.asyncio import AsyncEngine

from services.accounting.ledger.audit_entries import add_entry
from services.accounting.ledger.days import COLUMNS, DayTotals, day_totals, pages_of_day
from services.accounting.ledger.tables import usage_ledger
from shared.audit import Event
from shared.blobs import Blobs
from shared.clock import utc_now
from shared.contracts import HOUSE, AuditAction, JsonObject
from shared.errors import OperatorError

__all__ = ["FOLDER", "Exported", "export_day", "tell_of_export"]

FOLDER: Final = "exports/usage_ledger"
_MOST_ROWS: Final = 200_000
_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Exported:
    day: date
    totals: DayTotals
    files: int
    changed: bool
    """False: what stood there was still right, and was left."""


async def tell_of_export(engine: AsyncEngine, first: date, last: date, place: str) -> None:
    """Who takes the days from the first to before the last, and where to, is in the audit log. Raises AwayError."""
    details: JsonObject = {"since": first.isoformat(), "until": last.isoformat(), "to": place}
    await add_entry(engine, Event(HOUSE, utc_now(), _who(), AuditAction.EXPORTED, "usage_ledger", details))


def _who() -> str:
    try:
        user = getuser()
    except (KeyError, OSError):  # in a container a user may be a number alone
        user = str(os.getuid())
    return f"cli:{user}@{gethostname()}"


async def export_day(engine: AsyncEngine, blobs: Blobs, day: date, most_rows: int = _MOST_ROWS) -> Exported:
    """Afterwards the store has the day as the ledger has it. Raises AwayError, BlobsAwayError and OperatorError."""
    folder = f"{FOLDER}/day={day.isoformat()}"
    standing = await _standing(blobs, folder)
    if standing is not None and standing["totals"] == asdict(await day_totals(engine, day)):
        return Exported(day, DayTotals(**standing["totals"]), len(standing["files"]), changed=False)
    files: list[dict[str, str | int]] = []
    totals = DayTotals(0, 0, 0, 0)
    async for of_the_day, page in pages_of_day(engine, day, most_rows):
        totals = of_the_day
        content = _parquet(page)
        digest = hashlib.sha256(content).hexdigest()
        name = f"part-{len(files):05}-{digest[:16]}.parquet"
        await blobs.leave(f"{folder}/{name}", content)
        files.append({"name": name, "rows": len(page), "bytes": len(content), "sha256": digest})
    manifest = {
        "format": _FORMAT,
        "table": "usage_ledger",
        "day": day.isoformat(),
        "written_at": datetime.now(UTC).isoformat(),
        "totals": asdict(totals),
        "columns": [{"name": name, "type": str(_kind(name))} for name in COLUMNS],
        "files": files,
    }
    await blobs.leave(f"{folder}/manifest.json", json.dumps(manifest, indent=2).encode())
    return Exported(day, totals, len(files), changed=True)


async def _standing(blobs: Blobs, folder: str) -> dict[str, Any] | None:
    found = await blobs.find(f"{folder}/manifest.json")
    if found is None:
        return None
    manifest: dict[str, Any] = json.loads(found)
    same_columns = [column["name"] for column in manifest["columns"]] == list(COLUMNS)
    return manifest if manifest["format"] == _FORMAT and same_columns else None


def _parquet(rows: Sequence[asyncpg.Record]) -> bytes:
    pa, parquet = _arrow()
    arrays = [pa.array([_plain(row[name]) for row in rows], type=_kind(name)) for name in COLUMNS]
    written = io.BytesIO()
    parquet.write_table(pa.Table.from_arrays(arrays, names=list(COLUMNS)), written, compression="zstd")
    return written.getvalue()


def _plain(value: object) -> object:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value


def _kind(name: str) -> Any:  # noqa: ANN401 - a type of pyarrow's
    """JSON is text."""
    pa, _ = _arrow()
    match usage_ledger.c[name].type:
        case BigInteger():
            return pa.int64()
        case Integer():
            return pa.int32()
        case DateTime():
            return pa.timestamp("us", tz="UTC")
        case _:
            return pa.string()


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise OperatorError("Parquet needs one more package: install sluice[parquet].") from None
    return pa, parquet
