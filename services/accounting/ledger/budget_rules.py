"""Which budgets hold? The table `budgets` is made to say what the configuration says; those of administrators stay."""

from collections.abc import Collection
from typing import Final

import asyncpg
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from services.accounting.ledger.budget_beginnings import begin_new
from services.accounting.ledger.engine import transaction
from shared.budgets import BudgetRule

__all__ = ["PostgresRules", "keep_rules", "write_rules"]

log = structlog.get_logger("accounting")

_COLUMNS: Final = (
    "tenant", "budget", "per", "time_zone", "limit_nanodollars", "hard", "alerts",
    "team", "caller", "model_asked", "tag_name", "tag_value",
)  # fmt: skip
_LOCK: Final = "select pg_advisory_xact_lock(hashtext('sluice budgets'))"
_FOUND: Final = f"select {', '.join(_COLUMNS)} from budgets where source = 'config' order by tenant, budget"  # noqa: S608
_REMOVE: Final = "delete from budgets where source = 'config' and tenant = $1 and budget = $2"
# By other days it has to be summed up again, and one that was soft is unknown to the book that requests go by.
_WRITE: Final = f"""
    insert into budgets ({", ".join(_COLUMNS)}) values ({", ".join(f"${n + 1}" for n in range(len(_COLUMNS)))})
    on conflict (tenant, budget) do update set {", ".join(f"{name} = excluded.{name}" for name in _COLUMNS[2:])},
        source = 'config', changed_at = now(),
        begun_at = case when budgets.time_zone = excluded.time_zone then budgets.begun_at end,
        in_force_at = case when budgets.time_zone = excluded.time_zone and budgets.hard >= excluded.hard
                           then budgets.in_force_at end
"""  # noqa: S608 - names of ours

_Row = tuple[object, ...]


class PostgresRules:
    """The port `RuleLedger`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def write(self, rules: Collection[BudgetRule]) -> None:
        await write_rules(self._engine, rules)

    async def begin(self) -> None:
        await begin_new(self._engine)


async def keep_rules(engine: AsyncEngine, rules: Collection[BudgetRule]) -> None:
    """As `write_rules`, and each has its sum."""
    await write_rules(engine, rules)
    await begin_new(engine)


async def write_rules(engine: AsyncEngine, rules: Collection[BudgetRule]) -> None:
    """Afterwards the budgets of the configuration are these. Raises AwayError, or UnstorableError; nothing has changed
    then."""
    wanted = {(rule.tenant, rule.name): _row(rule) for rule in rules}
    async with transaction(engine) as connection:
        await connection.execute(_LOCK)
        rows = await connection.fetch(_FOUND)
        found = {(row["tenant"], row["budget"]): _found(row) for row in rows}
        if found == wanted:
            return
        gone = sorted(found.keys() - wanted.keys())
        await connection.executemany(_REMOVE, gone)
        await connection.executemany(_WRITE, [row for key, row in sorted(wanted.items()) if found.get(key) != row])
    log.info("budgets_kept", budgets=len(wanted), removed=len(gone))


def _row(rule: BudgetRule) -> _Row:
    name, value = rule.tag or (None, None)
    return (
        rule.tenant, rule.name, rule.per, rule.time_zone, rule.limit, rule.hard, rule.alerts,
        rule.team, rule.key, rule.model, name, value,
    )  # fmt: skip


def _found(row: asyncpg.Record) -> _Row:
    return tuple(tuple(row[name]) if name == "alerts" else row[name] for name in _COLUMNS)
