"""Which alerts has nobody been told of yet?"""

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from services.accounting.ledger.engine import transaction
from shared.contracts import Alert, AuditAlert, BudgetAlert

__all__ = ["PostgresAlerts"]

_MOST: Final = 10
_UNTOLD: Final = f"""
    select * from budget_alerts where told_at is null order by raised_at, tenant, budget, period, percent limit {_MOST}
    for update skip locked
"""  # noqa: S608 - a number of ours
_TOLD: Final = """
    update budget_alerts set told_at = now() where tenant = $1 and budget = $2 and period = $3 and percent = $4
"""
_UNTOLD_AUDITS: Final = f"""
    select begun_at, ended_at, audited_from, audited_to, differences,
           array(select distinct each ->> 'between' from jsonb_array_elements(found) as each order by 1) as between
    from usage_audits where told_at is null and differences > 0 order by begun_at limit {_MOST} for update skip locked
"""  # noqa: S608 - a number of ours
_TOLD_AUDIT: Final = "update usage_audits set told_at = now() where begun_at = $1"


class PostgresAlerts:
    """The port `AlertShelf`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @asynccontextmanager
    async def untold(self) -> AsyncIterator[Sequence[Alert]]:
        async with transaction(self._engine) as connection:
            alerts = [_of_a_budget(row) for row in await connection.fetch(_UNTOLD)]
            audits = await connection.fetch(_UNTOLD_AUDITS)
            yield [*alerts, *map(_of_an_audit, audits)]
            await connection.executemany(
                _TOLD, [(each.tenant, each.budget, each.period, each.percent) for each in alerts]
            )
            await connection.executemany(_TOLD_AUDIT, [(row["begun_at"],) for row in audits])


def _of_a_budget(row: asyncpg.Record) -> BudgetAlert:
    key = ("tenant", "budget", "period", "percent")
    return BudgetAlert(
        id=_id(*(row[name] for name in key)),
        **{name: row[name] for name in key},
        limit_nanodollars=row["limit_nanodollars"],
        spent_nanodollars=row["spent_nanodollars"],
        hard=row["hard"],
        raised_at=row["raised_at"],
    )


def _of_an_audit(row: asyncpg.Record) -> AuditAlert:
    return AuditAlert(
        id=_id("audit", row["begun_at"].isoformat()),
        since=row["audited_from"],
        until=row["audited_to"],
        differences=row["differences"],
        between=tuple(row["between"]),
        raised_at=row["ended_at"],
    )


def _id(*named: object) -> str:
    text = "\x1f".join(map(str, named))
    return f"alert_{hashlib.sha256(text.encode()).hexdigest()[:32]}"
