"""When was last audited, and what was found?"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from services.accounting.ledger.engine import transaction
from services.accounting.ports import AuditDone, LastAudit

__all__ = ["PostgresAudits", "only_auditor"]

_LAST: Final = """
    select begun_at, ended_at, audited_to, differences from usage_audits order by begun_at desc limit 1
"""
_KEEP: Final = """
    insert into usage_audits (begun_at, ended_at, audited_from, audited_to, events, results, waiting, reaches_back,
                              differences, found)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::text::jsonb)
"""
_ONLY: Final = "select pg_try_advisory_xact_lock(hashtext('sluice usage audit'))"


class PostgresAudits:
    """The port `AuditShelf`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def last(self) -> LastAudit | None:
        async with transaction(self._engine) as connection:
            row = await connection.fetchrow(_LAST)
        return LastAudit(*row) if row else None

    async def keep(self, done: AuditDone) -> None:
        found = json.dumps(
            [dict(zip(("between", "what", "first", "second"), each, strict=True)) for each in done.found]
        )
        told = (done.begun_at, done.ended_at, done.since, done.until, done.events, done.results, done.waiting)
        async with transaction(self._engine) as connection:
            await connection.execute(_KEEP, *told, done.reaches_back, len(done.found), found)


@asynccontextmanager
async def only_auditor(engine: AsyncEngine) -> AsyncIterator[bool]:
    """Whether nobody else audits: nobody else begins as long as the block lasts. Raises AwayError.

    By a lock of a transaction, which a pooler of connections keeps where it is. It reads nothing and is in nobody's
    way.
    """
    async with transaction(engine) as connection:
        yield await connection.fetchval(_ONLY)
