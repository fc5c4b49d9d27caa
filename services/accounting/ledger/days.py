"""What does the ledger have of a day? Its rows in pages, and what they come to, in one snapshot."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from services.accounting.ledger.engine import transaction
from services.accounting.ledger.tables import usage_ledger

__all__ = ["COLUMNS", "DayTotals", "day_totals", "pages_of_day"]

COLUMNS: Final = tuple(usage_ledger.columns.keys())

_BUCKETS: Final = "uncached_input_tokens + cache_write_tokens + cache_read_tokens + output_tokens"
_TOTALS: Final = f"""
    select count(*) as rows, coalesce(sum({_BUCKETS}), 0)::bigint as tokens,
           coalesce(sum(cost_nanodollars), 0)::bigint as cost_nanodollars,
           count(*) filter (where cost_nanodollars is null) as unpriced_rows
    from usage_ledger where ended_at >= $1 and ended_at < $2
"""  # noqa: S608 - columns of ours
_ROWS: Final = f"""
    select {", ".join(COLUMNS)} from usage_ledger where ended_at >= $1 and ended_at < $2
    order by ended_at, job_id, attempt
"""  # noqa: S608
_FETCHED: Final = 5000
_WHOLE: Final = "set transaction isolation level repeatable read, read only"


@dataclass(frozen=True, slots=True)
class DayTotals:
    rows: int
    tokens: int
    cost_nanodollars: int
    unpriced_rows: int


async def day_totals(engine: AsyncEngine, day: date) -> DayTotals:
    """Of the calls that ended on that day (UTC). Raises AwayError."""
    async with transaction(engine) as connection:
        return DayTotals(*await connection.fetchrow(_TOTALS, *_bounds(day)))


async def pages_of_day(
    engine: AsyncEngine, day: date, most_rows: int
) -> AsyncIterator[tuple[DayTotals, Sequence[asyncpg.Record]]]:
    """The rows in the order in which their calls ended, at most so many at once, each with the totals of the day.

    All of them are of one moment. A day without rows has one page. Raises AwayError.
    """
    async with transaction(engine) as connection:
        await connection.execute(_WHOLE)
        totals = DayTotals(*await connection.fetchrow(_TOTALS, *_bounds(day)))
        page: list[asyncpg.Record] = []
        given = 0
        async for row in connection.cursor(_ROWS, *_bounds(day), prefetch=_FETCHED):
            page.append(row)
            if len(page) == most_rows:
                yield totals, page
                given, page = given + 1, []
        if page or not given:
            yield totals, page


def _bounds(day: date) -> tuple[datetime, datetime]:
    begins = datetime.combine(day, time(), UTC)
    return begins, begins + timedelta(days=1)
