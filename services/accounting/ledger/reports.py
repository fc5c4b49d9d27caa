"""What was used, and what did it cost? Sums of the hourly roll-up, or of the ledger for what only that can tell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Row, Select, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from services.accounting.ledger.engine import failures_told
from services.accounting.ledger.roll_ups import measures_of
from services.accounting.ledger.tables import MEASURES, usage_hourly, usage_ledger
from shared.contracts import TokenUsage
from shared.money import Nanodollars

__all__ = ["Dimension", "Grouping", "Tag", "UsageLine", "usage"]


class Dimension(StrEnum):
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"
    TENANT = "tenant"
    TEAM = "team"
    CALLER = "caller"
    USER = "user"
    """The end user, as requests name it."""
    MODEL = "model"
    """As asked for."""
    MODEL_SERVED = "model-served"
    PROVIDER = "provider"
    PROVIDER_KEY = "provider-key"
    DEPLOYMENT = "deployment"
    UPSTREAM_MODEL = "upstream-model"
    REGION = "region"
    SERVICE_TIER = "service-tier"
    LANE = "lane"
    FEATURE = "feature"
    ROLE = "role"
    STATUS = "status"
    ERROR = "error"
    FINISH_REASON = "finish-reason"
    USAGE_SOURCE = "usage-source"
    BILLING = "billing"
    PRICE_VERSION = "price-version"


@dataclass(frozen=True, slots=True)
class Tag:
    """The value of one of the labels that requests may have."""

    name: str

    @property
    def value(self) -> str:
        return f"tag:{self.name}"


Grouping = Dimension | Tag


@dataclass(frozen=True, slots=True)
class UsageLine:
    group: tuple[str, ...]
    """A value for each dimension asked for, in that order; times in ISO 8601 (UTC), empty where none was given."""
    attempts: int
    jobs: int
    """That were begun: so many of the attempts were the first of theirs."""
    failovers: int
    tokens: TokenUsage
    cost: Nanodollars
    """Of everything with a known price: a lower bound when something is unpriced."""
    billed: Nanodollars
    """What of it the tenants pay."""
    provider_cost: Nanodollars
    """What the providers say, where they say it."""
    unpriced_attempts: int
    unpriced_tokens: int
    mean_queue_ms: float
    mean_duration_ms: float
    mean_first_token_ms: float | None
    """None when no call got as far as a token."""


def _times(moment: ColumnElement[datetime]) -> dict[Dimension, ColumnElement[str]]:
    utc = moment.op("at time zone")("UTC")
    return {
        Dimension.HOUR: func.to_char(utc, 'YYYY-MM-DD"T"HH24:00"Z"'),
        Dimension.DAY: func.to_char(utc, "YYYY-MM-DD"),
        Dimension.MONTH: func.to_char(utc, "YYYY-MM"),
    }


_IN_THE_ROLL_UP: Final[Mapping[Dimension, ColumnElement[str]]] = {
    **_times(usage_hourly.c.hour),
    Dimension.TENANT: usage_hourly.c.tenant,
    Dimension.TEAM: usage_hourly.c.team,
    Dimension.CALLER: usage_hourly.c.caller,
    Dimension.MODEL: usage_hourly.c.model_asked,
    Dimension.MODEL_SERVED: usage_hourly.c.model_served,
    Dimension.PROVIDER: usage_hourly.c.provider,
    Dimension.DEPLOYMENT: usage_hourly.c.deployment,
    Dimension.LANE: usage_hourly.c.lane,
    Dimension.FEATURE: usage_hourly.c.feature,
    Dimension.STATUS: usage_hourly.c.status,
}

_ONLY_IN_THE_LEDGER: Final = {
    Dimension.USER: "end_user",
    Dimension.PROVIDER_KEY: "provider_key",
    Dimension.UPSTREAM_MODEL: "upstream_model",
    Dimension.REGION: "region",
    Dimension.SERVICE_TIER: "service_tier",
    Dimension.ROLE: "role",
    Dimension.ERROR: "error_kind",
    Dimension.FINISH_REASON: "finish_reason",
    Dimension.USAGE_SOURCE: "usage_source",
    Dimension.BILLING: "billing",
    Dimension.PRICE_VERSION: "price_version",
}

_IN_THE_LEDGER: Final[Mapping[Dimension, ColumnElement[str]]] = {
    **{
        dimension: func.coalesce(usage_ledger.c[column.name], "")
        for dimension, column in _IN_THE_ROLL_UP.items()
        if column.name in usage_ledger.c
    },
    **{dimension: func.coalesce(usage_ledger.c[name], "") for dimension, name in _ONLY_IN_THE_LEDGER.items()},
    **_times(usage_ledger.c.ended_at),
}

_Report = Select[*tuple[Any, ...]]


async def usage(
    engine: AsyncEngine,
    by: Sequence[Grouping],
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


def _asked(by: Sequence[Grouping], since: datetime | None, until: datetime | None, tenant: str | None) -> _Report:
    rolled_up = all(dimension in _IN_THE_ROLL_UP for dimension in by)
    rows, moment = (usage_hourly, usage_hourly.c.hour) if rolled_up else (usage_ledger, usage_ledger.c.ended_at)
    groups = [_group(dimension, rolled_up).label(f"group_{place}") for place, dimension in enumerate(by)]
    sums = _sums_of_the_roll_up() if rolled_up else measures_of(usage_ledger)
    statement: _Report = select(*groups, *(sums[name].cast(BigInteger).label(name) for name in MEASURES))
    if since is not None:
        statement = statement.where(moment >= since.astimezone(UTC).replace(minute=0, second=0, microsecond=0))
    if until is not None:
        statement = statement.where(moment < until)
    if tenant is not None:
        statement = statement.where(rows.c.tenant == tenant)
    return statement.group_by(*groups).order_by(*groups)


def _group(dimension: Grouping, rolled_up: bool) -> ColumnElement[str]:
    if isinstance(dimension, Tag):
        return func.coalesce(usage_ledger.c.tags[dimension.name].astext, "")
    return (_IN_THE_ROLL_UP if rolled_up else _IN_THE_LEDGER)[dimension]


def _sums_of_the_roll_up() -> dict[str, ColumnElement[Any]]:
    return {name: func.coalesce(func.sum(usage_hourly.c[name]), 0) for name in MEASURES}


def _line(row: Row[Any], dimensions: int) -> UsageLine:
    return UsageLine(
        group=tuple(row[:dimensions]),
        attempts=row.attempts,
        jobs=row.first_attempts,
        failovers=row.failovers,
        tokens=TokenUsage(
            uncached_input=row.uncached_input_tokens,
            cache_write=row.cache_write_tokens,
            cache_read=row.cache_read_tokens,
            output=row.output_tokens,
            reasoning=row.reasoning_tokens,
        ),
        cost=Nanodollars(row.cost_nanodollars),
        billed=Nanodollars(row.billed_nanodollars),
        provider_cost=Nanodollars(row.provider_cost_nanodollars),
        unpriced_attempts=row.unpriced_attempts,
        unpriced_tokens=row.unpriced_tokens,
        mean_queue_ms=row.queue_ms / row.attempts,
        mean_duration_ms=row.duration_ms / row.attempts,
        mean_first_token_ms=row.first_token_ms / row.first_tokens if row.first_tokens else None,
    )
