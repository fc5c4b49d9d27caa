"""How are the histograms of latencies fed? A call counts as a one at the place of its bucket: see `latency_daily`."""

import math
from typing import Any, Final

from sqlalchemy import (
    CTE,
    ColumnElement,
    Date,
    Double,
    FromClause,
    Integer,
    Numeric,
    Select,
    cast,
    func,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import insert

from services.accounting.ledger.tables import latency_daily

__all__ = ["histograms_of", "timed"]

_STEP: Final = math.log(1.1)
"""Buckets grow by a tenth each."""
_DIGITS: Final = 12
"""So many decimal places has the count of a bucket."""

_KEY: Final = tuple(column.name for column in latency_daily.primary_key)
_MEASURED: Final = {"first_token": "first_token_ms", "duration": "duration_ms"}
"""The ledger's columns."""


def timed(rows: FromClause) -> CTE:
    """Adds rows that have the ledger's columns."""
    histograms = histograms_of(rows)
    adding = insert(latency_daily).from_select(histograms.selected_columns.keys(), histograms)
    return adding.on_conflict_do_update(
        index_elements=latency_daily.primary_key,
        set_={name: latency_daily.c[name] + adding.excluded[name] for name in _MEASURED},
    ).cte("latencies")


def histograms_of(rows: FromClause) -> Select[Any]:
    """What they add to `latency_daily`, in the order of its keys, as far as their calls succeeded: one that is refused
    in a millisecond would make its provider look quick."""
    day = rows.c.ended_at.op("at time zone")("UTC").cast(Date)
    keys = [(day if name == "day" else rows.c[name]).label(name) for name in _KEY]
    succeeded = rows.c.status == "succeeded"
    histograms = [_histogram(rows.c[column], succeeded).label(name) for name, column in _MEASURED.items()]
    # Not by `where`: of rows that come from an insert the planner would believe that hardly one succeeded, and sort all
    # of them to group them.
    any_succeeded = func.bool_or(succeeded)
    return select(*keys, *histograms).group_by(*keys).having(any_succeeded).order_by(*keys)


def _histogram(milliseconds: ColumnElement[Any], counted: ColumnElement[bool]) -> ColumnElement[Any]:
    """Of many calls; of those that have no such time it is 0."""
    bucket = cast(func.ceil(func.ln(func.greatest(milliseconds, 1).cast(Double)) / literal(_STEP, Double)), Integer)
    one = cast(func.concat("1e", _DIGITS * bucket), Numeric)
    return func.coalesce(func.sum(one).filter(milliseconds.is_not(None), counted), 0)
