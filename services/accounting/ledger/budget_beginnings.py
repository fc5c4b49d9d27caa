"""What is spent already of budgets that are new, or go by another calendar than before? The ledger is summed up for all
of them at once, and nobody waits for that.

Theory. From the moment a budget's row is there, whatever is written to the ledger is added to its sum in the same
transaction. So in any snapshot, what the ledger has and the sum has not is what was there before, however the sum came
about; to be added to whatever the sum has become since. That holds as soon as every transaction has ended that had
begun before the row was there: for that the ledger is locked, for the moment in which those end. A budget that was
changed meanwhile, or begun by another process, is left alone: its row is another one.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import asyncpg
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from services.accounting.ledger.engine import transaction

__all__ = ["begin_new"]

log = structlog.get_logger("accounting")

_SUMMING_SECONDS: Final = 1800.0
_UNBEGUN: Final = """
    select tenant, budget, xmin::text as row_version from budgets where begun_at is null order by 1, 2
"""
_PATIENCE: Final = "set local lock_timeout = '2s'"
_STILL: Final = "lock table usage_ledger in share mode"
_ONE_SNAPSHOT: Final = "set transaction isolation level repeatable read, read only"
# Of days and months only those that may still run somewhere; the others' partitions are not looked at. A key that is
# new has spent nothing, and the ledger need not be read for that.
_DAYS: Final = 62
_COMING: Final = f"""
    select b.tenant, b.budget, b.per, b.tag_name, budget_period(b.per, b.time_zone, now()) as runs,
           budget_period(b.per, b.time_zone, now() - interval '{_DAYS} days') as oldest, exists (
               select from usage_daily d where d.tenant = b.tenant and d.team = coalesce(b.team, d.team)
               and d.caller = coalesce(b.caller, d.caller) and d.model_asked = coalesce(b.model_asked, d.model_asked)
           ) as was_used
    from budgets b join unnest($1::text[], $2::text[]) as w (tenant, budget) using (tenant, budget)
    order by b.tenant, b.budget
"""  # noqa: S608 - names and numbers of ours
# Quarters of hours: all calendars are made of them. A budget that names no team matches any, and one that does matches
# that, so each sum is there under its name and under the sign for any.
_ANY: Final = r"E'\x01'"
_SUMS: Final = f"""
    with coming as materialized (
        select b.* from budgets b join unnest($1::text[], $2::text[]) as w (tenant, budget) using (tenant, budget)
    ), calendars as (
        select distinct tenant, per, time_zone from coming
    ), quarters as materialized (
        select l.tenant, l.team, l.caller, l.model_asked, date_bin('15 minutes', l.keyed_at, 'epoch') as quarter,
               case when l.tenant = any($4) then l.tags end as tags,
               sum(l.cost_nanodollars) as spent, count(*) filter (where l.cost_nanodollars is null) as unpriced
        from usage_ledger l where l.tenant = any($3) and l.keyed_at >= $5 group by 1, 2, 3, 4, 5, 6
    ), periods as materialized (
        select q.tenant, q.team, q.caller, q.model_asked, q.tags, c.per, c.time_zone,
               budget_period(c.per, c.time_zone, q.quarter) as period,
               sum(q.spent) as spent, sum(q.unpriced) as unpriced
        from quarters q join calendars c on c.tenant = q.tenant
        where c.per = 'total' or q.quarter >= now() - interval '{_DAYS} days' - interval '15 minutes'
        group by 1, 2, 3, 4, 5, 6, 7, 8
    )
    select b.tenant, b.budget, p.period, coalesce(sum(p.spent), 0)::bigint as spent, sum(p.unpriced)::bigint as unpriced
    from periods p
    cross join lateral (values (p.team), ({_ANY})) as t (team)
    cross join lateral (values (p.caller), ({_ANY})) as k (caller)
    cross join lateral (values (p.model_asked), ({_ANY})) as m (model_asked)
    join coming b on b.tenant = p.tenant and b.per = p.per and b.time_zone = p.time_zone
         and coalesce(b.team, {_ANY}) = t.team and coalesce(b.caller, {_ANY}) = k.caller
         and coalesce(b.model_asked, {_ANY}) = m.model_asked
         and (b.tag_name is null or p.tags ->> b.tag_name = b.tag_value)
    group by 1, 2, 3
"""  # noqa: S608
_SUMMED: Final = """
    select s.tenant, s.budget, s.period, s.spent_nanodollars as spent, s.unpriced_attempts as unpriced
    from budget_spend s join unnest($1::text[], $2::text[]) as w (tenant, budget) using (tenant, budget)
"""
_BEGUN: Final = """
    update budgets b set begun_at = now()
    from unnest($1::text[], $2::text[], $3::text[]) as w (tenant, budget, row_version)
    where b.tenant = w.tenant and b.budget = w.budget and b.xmin::text = w.row_version and b.begun_at is null
    returning b.tenant, b.budget
"""
_FORGET: Final = "delete from budget_spend where tenant = $1 and budget = $2 and period < $3"
# Newer than any figure before it that Redis may know.
_ADD: Final = """
    insert into budget_spend (tenant, budget, period, spent_nanodollars, unpriced_attempts) values ($1, $2, $3, $4, $5)
    on conflict (tenant, budget, period) do update set
        spent_nanodollars = budget_spend.spent_nanodollars + excluded.spent_nanodollars,
        unpriced_attempts = budget_spend.unpriced_attempts + excluded.unpriced_attempts,
        revision = greatest(budget_spend.revision + 1, excluded.revision), moved_at = now()
"""
# By this calendar there is nothing; the period that runs stays, for who knows what it was.
_EMPTY: Final = """
    delete from budget_spend where tenant = $1 and budget = $2 and period <> $3
    and spent_nanodollars = 0 and unpriced_attempts = 0
"""


class _Name(NamedTuple):
    tenant: str
    budget: str


class _Sum(NamedTuple):
    spent: int = 0
    unpriced: int = 0


class _Coming(NamedTuple):
    per: str
    tag_name: str | None
    runs: str
    oldest: str
    """Periods before it are forgotten."""
    was_used: bool


class _Found(NamedTuple):
    """In one snapshot."""

    coming: Mapping[_Name, _Coming]
    really: Mapping[_Name, Mapping[str, _Sum]]
    summed: Mapping[_Name, Mapping[str, _Sum]]


async def begin_new(engine: AsyncEngine) -> None:
    """Afterwards every budget that was there when it was called has its sum, unless it was changed meanwhile. Raises
    AwayError."""
    versions = await _unbegun(engine)
    if not versions:
        return
    found = await _find(engine, list(versions))
    async with transaction(engine) as connection:
        words = [(*name, version) for name, version in versions.items()]
        begun = [_Name(*row) for row in await connection.fetch(_BEGUN, *map(list, zip(*words, strict=True)))]
        await connection.executemany(_FORGET, [(*name, found.coming[name].oldest) for name in sorted(begun)])
        await connection.executemany(_ADD, [row for name in sorted(begun) for row in _corrections(name, found)])
        await connection.executemany(_EMPTY, [(*name, found.coming[name].runs) for name in sorted(begun)])
    if begun:
        log.info("budgets_begun", budgets=len(begun))


async def _unbegun(engine: AsyncEngine) -> Mapping[_Name, str]:
    async with transaction(engine) as connection:
        rows = await connection.fetch(_UNBEGUN)
        if rows:
            await connection.execute(_PATIENCE)
            await connection.execute(_STILL)
    return {_Name(row["tenant"], row["budget"]): row["row_version"] for row in rows}


async def _find(engine: AsyncEngine, names: Sequence[_Name]) -> _Found:
    async with transaction(engine) as connection:
        await connection.execute(_ONE_SNAPSHOT)
        rows = await connection.fetch(_COMING, *_columns(names))
        coming = {_Name(*row[:2]): _Coming(*row[2:]) for row in rows}
        used = [name for name, each in coming.items() if each.was_used]
        really = await _sums(connection, used, coming) if used else []
        return _Found(coming, _sorted(really), _sorted(await connection.fetch(_SUMMED, *_columns(names))))


async def _sums(
    connection: asyncpg.Connection, used: Sequence[_Name], coming: Mapping[_Name, _Coming]
) -> Sequence[asyncpg.Record]:
    tenants = sorted({name.tenant for name in used})
    tagged = sorted({name.tenant for name in used if coming[name].tag_name is not None})
    is_total = any(coming[name].per == "total" for name in used)
    since = "'-infinity'::timestamptz" if is_total else f"now() - interval '{_DAYS} days'"
    statement = _SUMS.replace("$5", since)
    found: Sequence[asyncpg.Record] = await connection.fetch(
        statement, *_columns(used), tenants, tagged, timeout=_SUMMING_SECONDS
    )
    return found


def _corrections(name: _Name, found: _Found) -> list[tuple[str, str, str, int, int]]:
    """What is to be added to each sum. Where there was a sum before, Redis may know it: so there is one of the period
    that runs, too."""
    really, summed, coming = found.really.get(name, {}), found.summed.get(name, {}), found.coming[name]
    periods = {*really, *(period for period in summed if period >= coming.oldest)}
    if summed:
        periods.add(coming.runs)
    return [
        (
            *name,
            period,
            really.get(period, _Sum()).spent - summed.get(period, _Sum()).spent,
            really.get(period, _Sum()).unpriced - summed.get(period, _Sum()).unpriced,
        )
        for period in sorted(periods)
    ]


def _columns(names: Sequence[_Name]) -> tuple[list[str], list[str]]:
    return [name.tenant for name in names], [name.budget for name in names]


def _sorted(rows: Sequence[asyncpg.Record]) -> Mapping[_Name, Mapping[str, _Sum]]:
    found: dict[_Name, dict[str, _Sum]] = {}
    for tenant, budget, period, spent, unpriced in rows:
        found.setdefault(_Name(tenant, budget), {})[period] = _Sum(spent, unpriced)
    return found
