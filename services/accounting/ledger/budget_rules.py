"""Which budgets hold? The table `budgets` is made to say what the configuration says; those of administrators stay.

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

__all__ = ["begin_new", "keep_rules"]

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
    on conflict (tenant, budget) do update set {", ".join(f"{name} = excluded.{name}" for name in _COLUMNS[2:])},
        source = 'config', changed_at = now(), in_force_at = case when budgets.hard then budgets.in_force_at end
"""  # noqa: S608 - names of ours
_ANY_UNBEGUN: Final = "select exists (select from budgets where begun_at is null)"
_UNBEGUN: Final = """
    select tenant, budget, per, exists (
        select from usage_daily d where d.tenant = b.tenant and d.team = coalesce(b.team, d.team)
        and d.caller = coalesce(b.caller, d.caller) and d.model_asked = coalesce(b.model_asked, d.model_asked)
    ) as was_used
    from budgets b where begun_at is null order by tenant, budget for update
"""
_BEGUN: Final = "update budgets set begun_at = now() where tenant = $1 and budget = $2"
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
# Where there was a sum before: Redis may know it, of a period that by this calendar has nothing.
_SPENT_NOTHING: Final = """
    insert into budget_spend (tenant, budget, period, spent_nanodollars, unpriced_attempts)
    select tenant, budget, budget_period(per, time_zone, now()), 0, 0 from budgets where tenant = $1 and budget = $2
    on conflict do nothing
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
            is_new = before is None or _sum_of(before) != _sum_of(row)
            if is_new:
                await connection.execute(_STILL)
            await connection.execute(_WRITE, *row)
            if is_new:
                await _begin(connection, *row[:3])
    log.info("budgets_kept", budgets=len(wanted), removed=len(found.keys() - wanted.keys()))


async def begin_new(engine: AsyncEngine) -> None:
    """Afterwards every budget that an administrator has made has its sum. Raises AwayError."""
    async with transaction(engine) as connection:
        if not await connection.fetchval(_ANY_UNBEGUN):
            return
        await connection.execute(_LOCK)
        await connection.execute(_STILL)
        coming = await connection.fetch(_UNBEGUN)
        for tenant, budget, per, was_used in coming:
            # A key that is new has spent nothing, and the ledger need not be read for that.
            await _begin(connection, tenant, budget, per if was_used else None)
    log.info("budgets_begun", budgets=len(coming))


async def _begin(connection: asyncpg.Connection, tenant: object, budget: object, per: object) -> None:
    """Its row is there, and nothing is written to the ledger. `per` is None where that has nothing of it."""
    forgotten = await connection.execute(_FORGET, tenant, budget)
    if per is not None:
        # Of days and months only those that may still run somewhere; the others' partitions are not looked at.
        since = "'-infinity'::timestamptz" if per == "total" else f"now() - interval '{_DAYS} days'"
        await connection.execute(_SUM_UP.replace("$3", since), tenant, budget)
    if forgotten != "DELETE 0":
        await connection.execute(_SPENT_NOTHING, tenant, budget)
    await connection.execute(_BEGUN, tenant, budget)


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
