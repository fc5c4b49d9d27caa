"""Which alerts has nobody been told of yet?"""

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from services.accounting.ledger.engine import transaction
from shared.contracts import BudgetAlert

__all__ = ["PostgresAlerts"]

_MOST: Final = 10
_UNTOLD: Final = f"""
    select * from budget_alerts where told_at is null order by raised_at, tenant, budget, period, percent limit {_MOST}
    for update skip locked
"""  # noqa: S608 - a number of ours
_TOLD: Final = """
    update budget_alerts set told_at = now() where tenant = $1 and budget = $2 and period = $3 and percent = $4
"""


class PostgresAlerts:
    """The port `AlertShelf`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @asynccontextmanager
    async def untold(self) -> AsyncIterator[Sequence[BudgetAlert]]:
        async with transaction(self._engine) as connection:
            alerts = [_alert(row) for row in await connection.fetch(_UNTOLD)]
            yield alerts
            await connection.executemany(
                _TOLD, [(each.tenant, each.budget, each.period, each.percent) for each in alerts]
            )


def _alert(row: asyncpg.Record) -> BudgetAlert:
    key = ("tenant", "budget", "period", "percent")
    named = "\x1f".join(str(row[name]) for name in key)
    return BudgetAlert(
        id=f"alert_{hashlib.sha256(named.encode()).hexdigest()[:32]}",
        **{name: row[name] for name in key},
        limit_nanodollars=row["limit_nanodollars"],
        spent_nanodollars=row["spent_nanodollars"],
        hard=row["hard"],
        raised_at=row["raised_at"],
    )
