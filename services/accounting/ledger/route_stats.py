"""How did each deployment do lately? From the ledger itself, because a percentile is no sum."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Row, Select, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from services.accounting.ledger.engine import failures_told
from services.accounting.ledger.tables import usage_ledger
from shared.contracts import AttemptRole, AttemptStatus
from shared.money import Nanodollars

__all__ = ["RouteLine", "route_stats"]

_COLUMN: Final = usage_ledger.c
_Report = Select[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class RouteLine:
    """One deployment, in the service of one model that was asked for."""

    model: str
    deployment: str
    calls: int
    succeeded: int
    failovers: int
    """Calls that were made because another deployment had failed."""
    errors: Mapping[str, int]
    """By the word of the router's failure table, the most frequent first."""
    first_token_ms: tuple[float, float] | None
    """The median and the 95th percentile; None when no call got as far as a token."""
    duration_ms: tuple[float, float] | None
    """The same of calls that succeeded."""
    output_tokens: int
    cost: Nanodollars
    """Of those with a known price."""


async def route_stats(
    engine: AsyncEngine, *, since: datetime, model: str | None = None, tenant: str | None = None
) -> Sequence[RouteLine]:
    """Of the calls that ended since then; the busiest deployments of each model first.

    Blocks for the database; raises AwayError.
    """
    with failures_told():
        async with engine.connect() as connection:
            rows = (await connection.execute(_of(_figures(), since, model, tenant))).all()
            errors = (await connection.execute(_of(_errors(), since, model, tenant))).all()
    by_deployment: dict[tuple[str, str], dict[str, int]] = {}
    for error in sorted(errors, key=lambda row: -row.calls):
        by_deployment.setdefault((error.model_asked, error.deployment), {})[error.error_kind] = error.calls
    lines = [_line(row, by_deployment.get((row.model_asked, row.deployment), {})) for row in rows]
    return sorted(lines, key=lambda line: (line.model, -line.calls, line.deployment))


def _figures() -> _Report:
    succeeded = _COLUMN.status == AttemptStatus.SUCCEEDED
    return select(
        func.count().label("calls"),
        func.count().filter(succeeded).label("succeeded"),
        func.count().filter(_COLUMN.role == AttemptRole.FAILOVER).label("failovers"),
        _percentile(0.5, _COLUMN.first_token_ms).label("first_token_half"),
        _percentile(0.95, _COLUMN.first_token_ms).label("first_token_most"),
        _percentile(0.5, _COLUMN.duration_ms).filter(succeeded).label("duration_half"),
        _percentile(0.95, _COLUMN.duration_ms).filter(succeeded).label("duration_most"),
        func.coalesce(func.sum(_COLUMN.output_tokens), 0).cast(BigInteger).label("output_tokens"),
        func.coalesce(func.sum(_COLUMN.cost_nanodollars), 0).cast(BigInteger).label("cost"),
    )


def _errors() -> _Report:
    failed = select(func.count().label("calls"), _COLUMN.error_kind).where(_COLUMN.error_kind.is_not(None))
    return failed.group_by(_COLUMN.error_kind)


def _of(report: _Report, since: datetime, model: str | None, tenant: str | None) -> _Report:
    report = report.add_columns(_COLUMN.model_asked, _COLUMN.deployment).where(_COLUMN.ended_at >= since)
    if model is not None:
        report = report.where(_COLUMN.model_asked == model)
    if tenant is not None:
        report = report.where(_COLUMN.tenant == tenant)
    return report.group_by(_COLUMN.model_asked, _COLUMN.deployment)


def _percentile(share: float, column: ColumnElement[Any]) -> Any:  # noqa: ANN401 - SQLAlchemy has no name for it
    return func.percentile_cont(share).within_group(column)


def _line(row: Row[Any], errors: Mapping[str, int]) -> RouteLine:
    return RouteLine(
        model=row.model_asked,
        deployment=row.deployment,
        calls=row.calls,
        succeeded=row.succeeded,
        failovers=row.failovers,
        errors=errors,
        first_token_ms=_pair(row.first_token_half, row.first_token_most),
        duration_ms=_pair(row.duration_half, row.duration_most),
        output_tokens=row.output_tokens,
        cost=Nanodollars(row.cost),
    )


def _pair(half: float | None, most: float | None) -> tuple[float, float] | None:
    return None if half is None or most is None else (float(half), float(most))
