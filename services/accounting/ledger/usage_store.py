"""How do charged attempts get into PostgreSQL? One statement feeds the ledger and, from rows really new, the roll-ups.

Rules for whoever edits the statement. The roll-ups read what the ledger's insert returns, so a replayed attempt adds
nothing to them. Rows are written in the order of their keys, the ledger's before the roll-ups' before the offsets': two
writers then wait for each other in one direction only and cannot deadlock.
"""

from collections.abc import Sequence
from typing import Final

import asyncpg
from sqlalchemy import CTE, BigInteger, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from services.accounting.charging import Entry
from services.accounting.ledger.batches import Batches
from services.accounting.ledger.budget_sums import spent
from services.accounting.ledger.latencies import timed
from services.accounting.ledger.roll_ups import fed, keys_of, measures_of
from services.accounting.ledger.staging import Staging
from services.accounting.ledger.tables import usage_ledger
from services.accounting.ports import Added, Consumed, Spent
from shared.money import Nanodollars

__all__ = ["PostgresLedger"]

_staging = Staging("incoming_usage", usage_ledger, Entry._fields)

_SUMMED: Final = (
    *("status", "ended_at", "tenant", "model_asked", "provider", "deployment", "lane", "first_token_ms", "duration_ms"),
    *("team", "caller", "model_served", "feature", "attempt", "role", "queue_ms"),
    *("uncached_input_tokens", "cache_write_tokens", "cache_read_tokens", "output_tokens", "reasoning_tokens"),
    *(
        "cost_nanodollars",
        "billed_nanodollars",
        "provider_cost_nanodollars",
        "cache_saved_nanodollars",
        "keyed_at",
        "tags",
    ),
)
"""What the sums look at. Rows are put by with these columns alone; those that all sums look at come first."""

_new = (
    insert(usage_ledger)
    .from_select(_staging.columns, _staging.rows())
    .on_conflict_do_nothing(index_elements=usage_ledger.primary_key)
    .returning(*(usage_ledger.c[name] for name in _SUMMED))
    .cte("new")
)

_dimensions = keys_of(_new)
_sums = select(*_dimensions, *measures_of(_new).values()).group_by(*_dimensions).cte("sums")


def _budgets() -> tuple[CTE, CTE]:
    cost = _new.c.cost_nanodollars
    return spent(_new, func.coalesce(func.sum(cost), 0), func.count().filter(cost.is_(None)))


_ADD = (
    select(
        _sums.c.provider,
        _sums.c.deployment,
        *(
            func.sum(_sums.c[name]).cast(BigInteger).label(name)
            for name in ("attempts", "cost_nanodollars", "unpriced_attempts", "unpriced_tokens")
        ),
    )
    .group_by(_sums.c.provider, _sums.c.deployment)
    .add_cte(*fed(_sums), timed(_new), *_budgets())
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
        cost=Nanodollars(found["cost_nanodollars"]),
        unpriced_attempts=found["unpriced_attempts"],
        unpriced_tokens=found["unpriced_tokens"],
    )
