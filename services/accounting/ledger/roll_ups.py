"""How are the roll-ups fed? By statements that add what a source has already summed by hour.

Rows are written in the order of their keys, the hours before the days: two writers then wait for each other in one
direction only.
"""

from typing import Any, Final

from sqlalchemy import CTE, BigInteger, ColumnElement, Date, FromClause, Insert, Table, func, select, text
from sqlalchemy.dialects.postgresql import insert

from services.accounting.ledger.tables import DIMENSIONS, MEASURES, usage_daily, usage_hourly

__all__ = ["fed", "keys_of", "measures_of"]

_AN_HOUR: Final = text("interval '1 hour'")
_MIDNIGHT: Final = text("timestamptz '2000-01-01 00:00:00Z'")
"""Any will do: to count hours from it is quicker than to look at a time zone."""

_GROUPS: Final = DIMENSIONS[1:]
"""What both are grouped by, beside their time."""


def keys_of(rows: FromClause) -> list[ColumnElement[Any]]:
    """The key of `usage_hourly` for rows that have the ledger's columns."""
    made: dict[str, ColumnElement[Any]] = {
        "hour": func.date_bin(_AN_HOUR, rows.c.ended_at, _MIDNIGHT),
        "team": func.coalesce(rows.c.team, ""),
        "model_served": func.coalesce(rows.c.model_served, ""),
        "feature": func.coalesce(rows.c.feature, ""),
    }
    return [(made[name] if name in made else rows.c[name]).label(name) for name in DIMENSIONS]


def measures_of(rows: FromClause) -> dict[str, ColumnElement[Any]]:
    """What the roll-ups sum, over rows that have the ledger's columns."""
    unpriced = rows.c.cost_nanodollars.is_(None)
    tokens = rows.c.uncached_input_tokens + rows.c.cache_write_tokens + rows.c.cache_read_tokens + rows.c.output_tokens
    made: dict[str, ColumnElement[Any]] = {
        "attempts": func.count(),
        "first_attempts": func.count().filter(rows.c.attempt == 1),
        "retries": func.count().filter(rows.c.role == "retry"),
        "failovers": func.count().filter(rows.c.role == "failover"),
        "unpriced_attempts": func.count().filter(unpriced),
        "unpriced_tokens": func.coalesce(func.sum(tokens).filter(unpriced), 0),
        "first_tokens": func.count(rows.c.first_token_ms),
    }
    return {
        name: (made[name] if name in made else func.coalesce(func.sum(rows.c[name]), 0)).label(name)
        for name in MEASURES
    }


def fed(source: CTE) -> tuple[CTE, CTE]:
    """`source` has the columns of `usage_hourly`, a row for each key of it."""
    hour = source.c.hour
    hours = _adding(usage_hourly, select(*source.c).order_by(*(source.c[name] for name in DIMENSIONS)))
    day = hour.op("at time zone")("UTC").cast(Date).label("day")
    keys: list[ColumnElement[Any]] = [day, *(source.c[name] for name in _GROUPS)]
    sums = (func.sum(source.c[name]).cast(BigInteger).label(name) for name in MEASURES)
    days = _adding(usage_daily, select(*keys, *sums).group_by(*keys).order_by(*keys))
    return hours.cte("hours"), days.cte("days")


def _adding(table: Table, rows: Any) -> Insert:  # noqa: ANN401 - a select of whatever columns
    insertion = insert(table).from_select([column.name for column in rows.selected_columns], rows)
    return insertion.on_conflict_do_update(
        index_elements=table.primary_key,
        set_={name: table.c[name] + insertion.excluded[name] for name in MEASURES},
    )
