"""Which budgets hold? The table `budgets` is made to say what the configuration says; what else is in it stays.

A budget that is new, or goes by another calendar than before, gets the sum of what the ledger has of it already.
Nothing is written to the ledger in that moment, so that no row is counted twice or not at all.
"""

from collections.abc import Collection
from typing import Final

import asyncpg
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from services.accounting.ledger.engine import transaction
from shared.budgets import BudgetRule

__all__ = ["keep_rules"]

log = structlog.get_logger("accounting")

_COLUMNS: Final = (
    "tenant", "budget", "per", "time_zone", "limit_nanodollars", "hard", "alerts",
    "team", "caller", "model_asked", "tag_name", "tag_value",
)  # fmt: skip
_SAME_SUM: Final = ("tenant", "budget", "per", "time_zone", "team", "caller", "model_asked", "tag_name", "tag_value")
"""As long as these stay, what was summed up stays right."""

_LOCK: Final = "select pg_advisory_xact_lock(hashtext('sluice budgets'))"
_FOUND: Final = f"select {', '.join(_COLUMNS)} from budgets where source = 'config' order by tenant, budget"  # noqa: S608
_STILL: Final = "lock table usage_ledger in share mode"
_REMOVE: Final = "delete from budgets where source = 'config' and tenant = $1 and budget = $2"
_FORGET: Final = "delete from budget_spend where tenant = $1 and budget = $2"
_WRITE: Final = f"""
    insert into budgets ({", ".join(_COLUMNS)}) values ({", ".join(f"${n + 1}" for n in range(len(_COLUMNS)))})
    on conflict (tenant, budget) do update set {", ".join(f"{name} = excluded.{name}" for name in _COLUMNS[2:])}
"""  # noqa: S608 - names of ours
_DAYS: Final = 62
_SUM_UP: Final = """
    insert into budget_spend (tenant, budget, period, spent_nanodollars, unpriced_attempts)
    select b.tenant, b.budget, budget_period(b.per, b.time_zone, l.keyed_at),
           coalesce(sum(l.cost_nanodollars), 0)::bigint, count(*) filter (where l.cost_nanodollars is null)
    from budgets b join usage_ledger l on l.tenant = b.tenant
         and (b.team is null or b.team = l.team) and (b.caller is null or b.caller = l.caller)
         and (b.model_asked is null or b.model_asked = l.model_asked)
         and (b.tag_name is null or l.tags ->> b.tag_name = b.tag_value)
    where b.tenant = $1 and b.budget = $2 and l.keyed_at >= $3
    group by 1, 2, 3
"""

_Row = tuple[object, ...]


async def keep_rules(engine: AsyncEngine, rules: Collection[BudgetRule]) -> None:
    """Afterwards the budgets of the configuration are these. Raises AwayError; nothing has changed then."""
    wanted = {(rule.tenant, rule.name): _row(rule) for rule in rules}
    async with transaction(engine) as connection:
        await connection.execute(_LOCK)
        found = {(row["tenant"], row["budget"]): _found(row) for row in await connection.fetch(_FOUND)}
        if found == wanted:
            return
        for key in found.keys() - wanted.keys():
            await connection.execute(_REMOVE, *key)
        for key, row in sorted(wanted.items()):
            before = found.get(key)
            if before == row:
                continue
            if before is None or _sum_of(before) != _sum_of(row):
                await _begin(connection, row)
            else:
                await connection.execute(_WRITE, *row)
    log.info("budgets_kept", budgets=len(wanted), removed=len(found.keys() - wanted.keys()))


async def _begin(connection: asyncpg.Connection, row: _Row) -> None:
    await connection.execute(_STILL)
    await connection.execute(_WRITE, *row)
    tenant, budget, per = row[:3]
    await connection.execute(_FORGET, tenant, budget)
    # Of days and months only those that may still run somewhere; the others' partitions are not looked at.
    since = "'-infinity'::timestamptz" if per == "total" else f"now() - interval '{_DAYS} days'"
    await connection.execute(_SUM_UP.replace("$3", since), tenant, budget)


def _row(rule: BudgetRule) -> _Row:
    name, value = rule.tag or (None, None)
    return (
        rule.tenant, rule.name, rule.per, rule.time_zone, rule.limit, rule.hard, rule.alerts,
        rule.team, rule.key, rule.model, name, value,
    )  # fmt: skip


def _found(row: asyncpg.Record) -> _Row:
    return tuple(tuple(row[name]) if name == "alerts" else row[name] for name in _COLUMNS)


def _sum_of(row: _Row) -> _Row:
    return tuple(value for name, value in zip(_COLUMNS, row, strict=True) if name in _SAME_SUM)
