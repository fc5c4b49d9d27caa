"""What does PostgreSQL know of budgets, for their book in Redis? What is spent, and which jobs still hold something."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import asyncpg
from pydantic_core import from_json
from sqlalchemy.ext.asyncio import AsyncEngine

from services.accounting.budget_ports import Figure, HardBudgets, HeldJobs, Settled
from services.accounting.ledger.engine import transaction
from shared.budgets import Held
from shared.ids import JobId, job_unix_ms
from shared.money import Nanodollars

__all__ = ["PostgresBudgets"]

_HARD: Final = """
    select tenant, array_agg(budget order by budget) filter (where begun_at is not null) as budgets,
           array_agg(limit_nanodollars order by budget) filter (where begun_at is not null) as limits,
           array_agg(budget) filter (where begun_at is null) as unbegun, bool_or(opened_at is not null) as opened
    from budgets where hard group by tenant
"""
_COMING: Final = "select distinct tenant from budgets where in_force_at is null and begun_at is not null"
_IN_FORCE: Final = """
    update budgets set in_force_at = now()
    where tenant = $1 and in_force_at is null and begun_at is not null and (budget = any($2) or not hard)
"""
_OPENED: Final = "update budgets set opened_at = now() where tenant = any($1) and hard and opened_at is null"

# A job is settled when it has ended and the ledger has a row for each of its calls. Of one whose events were no events,
# and went to the dead letters, it never has them all: that is waited for no longer than an hour.
_SETTLE: Final = """
    with due as (
        select j.job_id from unnest($1::text[], $2::double precision[]) as w (job_id, keyed_at)
        join jobs j on j.job_id = w.job_id
        where j.settled_at is null and j.status <> 'queued'
          and (
              j.ended_at < now() - interval '1 hour'
              or jsonb_array_length(coalesce(j.attempts, '[]'::jsonb)) <= (
                  select count(*) from usage_ledger l
                  where l.job_id = w.job_id and l.keyed_at = to_timestamp(w.keyed_at)
              )
          )
        order by j.job_id for update of j
    )
    update jobs set settled_at = now() from due where jobs.job_id = due.job_id
    returning jobs.tenant, jobs.job_id, jobs.reserved::text as reserved
"""
# Nothing is held any more in periods that are over for longer than a job may take.
_FIGURES: Final = """
    select s.tenant, s.period || ' ' || s.budget as "window", s.spent_nanodollars, s.revision
    from budget_spend s join budgets b on b.tenant = s.tenant and b.budget = s.budget
    where b.hard and b.begun_at is not null and s.tenant = any($1)
      and s.period >= case b.per when 'day' then to_char(now() - interval '40 days', 'YYYY-MM-DD')
                                 else to_char(now() - interval '70 days', 'YYYY-MM') end
"""
# What jobs have held must be there before it is dropped. The rest of what moved lately is there for who held nothing:
# a transaction of the ledger takes no longer, and what it takes longer for is found by comparing.
_MOVED: Final = f"""
    {_FIGURES} and (s.moved_at > now() - interval '10 seconds' or s.period || ' ' || s.budget = any($2))
"""
_HELD: Final = """
    select job_id, reserved::text as reserved from jobs
    where tenant = $1 and reserved is not null and settled_at is null order by job_id
"""
# Before a worker makes another call for a job, it holds as much again for each of those that have cost something.
_COSTLY: Final = """
    select l.job_id, count(*) as calls
    from unnest($1::text[], $2::double precision[]) as w (job_id, keyed_at)
    join usage_ledger l on l.job_id = w.job_id and l.keyed_at = to_timestamp(w.keyed_at)
    where l.uncached_input_tokens + l.cache_write_tokens + l.cache_read_tokens + l.output_tokens > 0
    group by l.job_id
"""
_KNOWN: Final = "select job_id, settled_at is not null as settled from jobs where job_id = any($1)"


class PostgresBudgets:
    """The port `BudgetLedger`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def hard(self) -> Mapping[str, HardBudgets]:
        async with transaction(self._engine) as connection:
            rows = await connection.fetch(_HARD)
        return {
            row["tenant"]: HardBudgets(
                dict(zip(row["budgets"] or (), map(Nanodollars, row["limits"] or ()), strict=True)),
                frozenset(row["unbegun"] or ()),
                opened=row["opened"],
            )
            for row in rows
        }

    async def coming(self) -> Collection[str]:
        async with transaction(self._engine) as connection:
            return [row["tenant"] for row in await connection.fetch(_COMING)]

    async def in_force(self, tenant: str, known: Collection[str]) -> None:
        async with transaction(self._engine) as connection:
            await connection.execute(_IN_FORCE, tenant, list(known))

    async def opened(self, tenants: Collection[str]) -> None:
        async with transaction(self._engine) as connection:
            await connection.execute(_OPENED, list(tenants))

    async def settle(self, tenants: Collection[str], jobs: Collection[str]) -> Mapping[str, Settled]:
        ordered = sorted(jobs)
        async with transaction(self._engine) as connection:
            settled = await connection.fetch(_SETTLE, ordered, _keyed(ordered)) if ordered else []
            windows = {window for row in settled for window in _windows(row)}
            # Behind the settled ones, in a snapshot of its own: their rows are in these sums.
            figures = await connection.fetch(_MOVED, list(tenants), sorted(windows))
        return {
            tenant: Settled(
                figures=tuple(_figure(row) for row in figures if row["tenant"] == tenant),
                jobs=tuple(row["job_id"] for row in settled if row["tenant"] == tenant),
            )
            for tenant in tenants
        }

    async def figures(self, tenant: str) -> Sequence[Figure]:
        async with transaction(self._engine) as connection:
            return [_figure(row) for row in await connection.fetch(_FIGURES, [tenant])]

    async def held(self, tenant: str) -> Mapping[str, Held]:
        async with transaction(self._engine) as connection:
            rows = await connection.fetch(_HELD, tenant)
            jobs = [row["job_id"] for row in rows]
            costly = dict(await connection.fetch(_COSTLY, jobs, _keyed(jobs))) if jobs else {}
        return {row["job_id"]: _held(row, calls=1 + costly.get(row["job_id"], 0)) for row in rows}

    async def known(self, jobs: Collection[str]) -> HeldJobs:
        async with transaction(self._engine) as connection:
            rows = await connection.fetch(_KNOWN, list(jobs))
        settled = frozenset(row["job_id"] for row in rows if row["settled"])
        return HeldJobs(settled, frozenset(row["job_id"] for row in rows) - settled)


def _figure(row: asyncpg.Record) -> Figure:
    return Figure(row["window"], row["spent_nanodollars"], row["revision"])


def _windows(row: asyncpg.Record) -> Sequence[str]:
    """In which the job held something."""
    return _held(row).windows if row["reserved"] is not None else ()


def _keyed(jobs: Sequence[str]) -> list[float]:
    """When each was submitted: where the ledger has it."""
    return [job_unix_ms(JobId(job)) / 1000 for job in jobs]


def _held(row: asyncpg.Record, calls: int = 1) -> Held:
    reserved = from_json(row["reserved"])
    return Held(calls * reserved["nanodollars"], job_unix_ms(JobId(row["job_id"])), tuple(reserved["windows"]))
