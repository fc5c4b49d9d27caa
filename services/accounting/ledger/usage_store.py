"""How do charged attempts get into PostgreSQL? One statement feeds the ledger and, from rows really new, the roll-ups.

Rules for whoever edits the statement. The roll-ups read what the ledger's insert returns, so a replayed attempt adds
nothing to them. Rows are written in the order of their keys, the ledger's before the roll-ups' before the offsets': two
writers then wait for each other in one direction only and cannot deadlock.
"""

from collections.abc import Sequence

import asyncpg
from sqlalchemy import CTE, BigInteger, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from services.accounting.charging import MOMENTS, Entry
from services.accounting.ledger.batches import Batches
from services.accounting.ledger.budget_sums import spent
from services.accounting.ledger.latencies import timed
from services.accounting.ledger.roll_ups import fed, keys_of, measures_of
from services.accounting.ledger.staging import Staging
from services.accounting.ledger.tables import usage_ledger
from services.accounting.ports import Added, Consumed, Spent
from shared.money import Nanodollars

__all__ = ["PostgresLedger"]

_staging = Staging("incoming_usage", usage_ledger, Entry._fields, texts=MOMENTS)

_new = (
    insert(usage_ledger)
    .from_select(_staging.columns, _staging.rows())
    .on_conflict_do_nothing(index_elements=usage_ledger.primary_key)
    .returning(*usage_ledger.columns)
    .cte("new")
)

_dimensions = keys_of(_new)
_measures = measures_of(_new)
_sums = select(*_dimensions, *_measures.values()).group_by(*_dimensions).cte("sums")
_hours, _days = fed(_sums)


def _budgets() -> tuple[CTE, CTE]:
    cost = _new.c.cost_nanodollars
    return spent(_new, func.coalesce(func.sum(cost), 0), func.count().filter(cost.is_(None)))


_ADD = (
    select(
        _new.c.provider,
        _new.c.deployment,
        func.count().label("attempts"),
        func.coalesce(func.sum(_new.c.cost_nanodollars), 0).cast(BigInteger).label("cost"),
        _measures["unpriced_attempts"],
        _measures["unpriced_tokens"],
    )
    .group_by(_new.c.provider, _new.c.deployment)
    .add_cte(_hours, _days, timed(_new), *_budgets())
)


_batches = Batches(_staging, _ADD)


class PostgresLedger:
    """The port `Ledger`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def add(self, entries: Sequence[Entry], consumed: Consumed) -> Added:
        deployments = await _batches.write(self._engine, entries, consumed)
        return Added(rows=sum(found["attempts"] for found in deployments), spent=tuple(map(_spent, deployments)))


def _spent(found: asyncpg.Record) -> Spent:
    return Spent(
        provider=found["provider"],
        deployment=found["deployment"],
        cost=Nanodollars(found["cost"]),
        unpriced_attempts=found["unpriced_attempts"],
        unpriced_tokens=found["unpriced_tokens"],
    )
