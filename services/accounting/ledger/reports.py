"""What was used, and what did it cost? Sums of the hourly roll-up, grouped by whatever is asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Row, Select, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from services.accounting.ledger.engine import failures_told
from services.accounting.ledger.tables import MEASURES, usage_hourly
from shared.contracts import TokenUsage
from shared.money import Nanodollars

__all__ = ["Dimension", "UsageLine", "usage"]


class Dimension(StrEnum):
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"
    TENANT = "tenant"
    CALLER = "caller"
    MODEL = "model"
    """As asked for."""
    MODEL_SERVED = "model-served"
    PROVIDER = "provider"
    DEPLOYMENT = "deployment"
    LANE = "lane"
    FEATURE = "feature"
    STATUS = "status"


@dataclass(frozen=True, slots=True)
class UsageLine:
    group: tuple[str, ...]
    """A value for each dimension asked for, in that order; times in ISO 8601 (UTC), empty where none was given."""
    attempts: int
    tokens: TokenUsage
    cost: Nanodollars
    """Of everything with a known price: a lower bound when something is unpriced."""
    unpriced_attempts: int
    unpriced_tokens: int
    mean_queue_ms: float
    mean_duration_ms: float
    mean_first_token_ms: float | None
    """None when no call got as far as a token."""


_hour = usage_hourly.c.hour.op("at time zone")("UTC")

_GROUPED_BY: Final[dict[Dimension, ColumnElement[str]]] = {
    Dimension.HOUR: func.to_char(_hour, 'YYYY-MM-DD"T"HH24:00"Z"'),
    Dimension.DAY: func.to_char(_hour, "YYYY-MM-DD"),
    Dimension.MONTH: func.to_char(_hour, "YYYY-MM"),
    Dimension.TENANT: usage_hourly.c.tenant,
    Dimension.CALLER: usage_hourly.c.caller,
    Dimension.MODEL: usage_hourly.c.model_asked,
    Dimension.MODEL_SERVED: usage_hourly.c.model_served,
    Dimension.PROVIDER: usage_hourly.c.provider,
    Dimension.DEPLOYMENT: usage_hourly.c.deployment,
    Dimension.LANE: usage_hourly.c.lane,
    Dimension.FEATURE: usage_hourly.c.feature,
    Dimension.STATUS: usage_hourly.c.status,
}

_sums = [func.coalesce(func.sum(usage_hourly.c[name]), 0).cast(BigInteger).label(name) for name in MEASURES]


async def usage(
    engine: AsyncEngine,
    by: Sequence[Dimension],
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    tenant: str | None = None,
) -> tuple[UsageLine, ...]:
    """One line per group, ordered by the groups; a single line with the total when `by` is empty.

    Counted are the calls that ended in the hours from `since` (its own hour included) to before `until`. Blocks for the
    database; raises AwayError.
    """
    statement = _asked(by, since, until, tenant)
    with failures_told():
        async with engine.connect() as connection:
            rows = (await connection.execute(statement)).all()
    return tuple(_line(row, len(by)) for row in rows if row.attempts)


_Report = Select[*tuple[Any, ...]]


def _asked(by: Sequence[Dimension], since: datetime | None, until: datetime | None, tenant: str | None) -> _Report:
    groups = [_GROUPED_BY[dimension].label(f"group_{place}") for place, dimension in enumerate(by)]
    statement: _Report = select(*groups, *_sums).group_by(*groups).order_by(*groups)
    if since is not None:
        statement = statement.where(
            usage_hourly.c.hour >= since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        )
    if until is not None:
        statement = statement.where(usage_hourly.c.hour < until)
    if tenant is not None:
        statement = statement.where(usage_hourly.c.tenant == tenant)
    return statement


def _line(row: Row[Any], dimensions: int) -> UsageLine:
    return UsageLine(
        group=tuple(row[:dimensions]),
        attempts=row.attempts,
        tokens=TokenUsage(
            uncached_input=row.uncached_input_tokens,
            cache_write=row.cache_write_tokens,
            cache_read=row.cache_read_tokens,
            output=row.output_tokens,
            reasoning=row.reasoning_tokens,
        ),
        cost=Nanodollars(row.cost_nanodollars),
        unpriced_attempts=row.unpriced_attempts,
        unpriced_tokens=row.unpriced_tokens,
        mean_queue_ms=row.queue_ms / row.attempts,
        mean_duration_ms=row.duration_ms / row.attempts,
        mean_first_token_ms=row.first_token_ms / row.first_tokens if row.first_tokens else None,
    )
