"""The budgets of `directory_ports` in PostgreSQL.

What is written here is not in force yet: accounting sums up what was spent already, and tells everybody.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from services.ingress.adapters.postgres import connection
from services.ingress.adapters.postgres_records import PostgresRecords, names_told
from services.ingress.auditing import budget_removed, budget_set
from services.ingress.budget_rules import BudgetsInForce
from services.ingress.directory import BudgetRecord, KeyRecord
from services.ingress.directory_ports import TakenError, UnknownNameError
from shared.audit import append
from shared.budgets import BudgetRule, rule_of
from shared.clock import Clock
from shared.config.budgets import Budget
from shared.money import Nanodollars, nanodollars

__all__ = ["PostgresBudgetDesk", "PostgresBudgets"]

_COLUMNS: Final = (
    "tenant", "budget", "per", "time_zone", "limit_nanodollars", "hard", "alerts",
    "team", "caller", "model_asked", "tag_name", "tag_value",
)  # fmt: skip
_LISTED: Final = ", ".join(_COLUMNS)
_HARD: Final = f"""
    select {_LISTED}, source from budgets
    where hard and in_force_at is not null and ($1::text[] is null or tenant = any($1))
    order by tenant, budget
"""  # noqa: S608 - names of ours
_STANDING: Final = f"""
    select {", ".join(f"b.{name}" for name in _COLUMNS)}, b.source, b.in_force_at, b.created_at, b.changed_at,
           s.period, s.spent_dollars, s.held_dollars
    from budgets b join budget_status s on s.tenant = b.tenant and s.budget = b.budget
    where b.tenant = $1 and
"""  # noqa: S608
_FIND: Final = f"{_STANDING} b.budget = $2"
_PAGE: Final = f"{_STANDING} b.budget > $2 order by b.budget limit $3"
_TIME_ZONE: Final = "select time_zone from tenants where tenant = $1 for share"
_BEFORE: Final = f"select {_LISTED}, source from budgets where tenant = $1 and budget = $2 for update"  # noqa: S608
# By other days it has to be summed up again, and one that was soft is unknown to the book that requests go by.
_WRITE: Final = f"""
    insert into budgets ({_LISTED}, source)
    values ({", ".join(f"${number}" for number in range(1, len(_COLUMNS) + 1))}, 'admin')
    on conflict (tenant, budget) do update set
        time_zone = excluded.time_zone, limit_nanodollars = excluded.limit_nanodollars,
        hard = excluded.hard, alerts = excluded.alerts, changed_at = now(),
        begun_at = case when budgets.time_zone = excluded.time_zone then budgets.begun_at end,
        in_force_at = case when budgets.time_zone = excluded.time_zone and budgets.hard >= excluded.hard
                           then budgets.in_force_at end
"""  # noqa: S608
_REMOVE: Final = "delete from budgets where tenant = $1 and budget = $2"


class PostgresBudgets:
    """`BudgetDirectory`."""

    def __init__(self, pool: Any, *, call_seconds: float) -> None:  # noqa: ANN401 - asyncpg has no types
        self._pool = pool
        self._call_seconds = call_seconds

    async def hard(self, tenants: Collection[str] | None) -> Mapping[str, BudgetsInForce]:
        async with connection(self._pool, call_seconds=self._call_seconds) as connected:
            rows = await connected.fetch(_HARD, None if tenants is None else list(tenants))
        found: dict[str, dict[str, list[BudgetRule]]] = {}
        for row in rows:
            found.setdefault(row["tenant"], {}).setdefault(row["source"], []).append(_rule(row))
        return {
            tenant: BudgetsInForce(tuple(rules.get("config", ())), tuple(rules.get("admin", ())))
            for tenant, rules in found.items()
        }


class PostgresBudgetDesk:
    """`BudgetDesk`."""

    def __init__(
        self,
        pool: Any,  # noqa: ANN401
        keys: PostgresRecords[KeyRecord],
        *,
        call_seconds: float,
        clock: Clock,
        wake: Callable[[], Awaitable[None]],
    ) -> None:
        self._pool = pool
        self._keys = keys
        self._call_seconds = call_seconds
        self._clock = clock
        self._wake = wake

    async def find(self, tenant: str, name: str) -> BudgetRecord | None:
        async with connection(self._pool, call_seconds=self._call_seconds) as connected:
            return await _found(connected, tenant, name)

    async def page(self, tenant: str, *, after: str, limit: int) -> Sequence[BudgetRecord]:
        async with connection(self._pool, call_seconds=self._call_seconds) as connected:
            return [_record(row) for row in await connected.fetch(_PAGE, tenant, after, limit)]

    async def put(self, tenant: str, budget: Budget, by: str) -> BudgetRecord:
        async with self._changing() as connected:
            await self._write(connected, tenant, budget, by)
            record = await _found(connected, tenant, budget.name)
        await self._wake()
        assert record is not None  # noqa: S101 - this transaction has just written it
        return record

    async def remove(self, tenant: str, name: str, by: str) -> bool:
        async with self._changing() as connected:
            row = await connected.fetchrow(_BEFORE, tenant, name)
            if row is None:
                return False
            if row["source"] == "config":
                raise TakenError
            await connected.execute(_REMOVE, tenant, name)
            await append(connected, budget_removed(_rule(row), by, self._clock()))
        await self._wake()
        return True

    async def create_key(self, key: KeyRecord, budget: Budget, by: str) -> None:
        async with self._changing() as connected:
            await self._write(connected, key.tenant, budget, by)
            await self._keys.insert(connected, key, by)
        await self._wake()

    @asynccontextmanager
    async def _changing(self) -> AsyncIterator[Any]:
        with names_told():
            async with connection(self._pool, call_seconds=self._call_seconds) as connected, connected.transaction():
                yield connected

    async def _write(self, connected: Any, tenant: str, budget: Budget, by: str) -> None:  # noqa: ANN401
        time_zone = await connected.fetchval(_TIME_ZONE, tenant)
        if time_zone is None:
            raise UnknownNameError
        row = await connected.fetchrow(_BEFORE, tenant, budget.name)
        if row is not None and row["source"] == "config":
            raise TakenError
        before, after = None if row is None else _rule(row), rule_of(tenant, time_zone, budget)
        if before == after:
            return
        await connected.execute(_WRITE, *_row(after))
        await append(connected, budget_set(before, after, by, self._clock()))


async def _found(connected: Any, tenant: str, name: str) -> BudgetRecord | None:  # noqa: ANN401
    row = await connected.fetchrow(_FIND, tenant, name)
    return None if row is None else _record(row)


def _rule(row: Any) -> BudgetRule:  # noqa: ANN401
    return BudgetRule(
        tenant=row["tenant"],
        name=row["budget"],
        per=row["per"],
        time_zone=row["time_zone"],
        limit=Nanodollars(row["limit_nanodollars"]),
        hard=row["hard"],
        alerts=tuple(row["alerts"]),
        team=row["team"],
        key=row["caller"],
        model=row["model_asked"],
        tag=None if row["tag_name"] is None else (row["tag_name"], row["tag_value"]),
    )


def _row(rule: BudgetRule) -> Sequence[object]:
    name, value = rule.tag or (None, None)
    return (
        rule.tenant, rule.name, rule.per, rule.time_zone, rule.limit, rule.hard, list(rule.alerts),
        rule.team, rule.key, rule.model, name, value,
    )  # fmt: skip


def _record(row: Any) -> BudgetRecord:  # noqa: ANN401
    return BudgetRecord(
        rule=_rule(row),
        by_file=row["source"] == "config",
        in_force=row["in_force_at"] is not None,
        period=row["period"],
        spent=nanodollars(row["spent_dollars"]),
        held=nanodollars(row["held_dollars"]),
        created_at=row["created_at"],
        changed_at=row["changed_at"],
    )
