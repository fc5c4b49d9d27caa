"""The archive of `ports.JobArchive`: accounting's tables `jobs` and `job_costs`, read by tenant and never written."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import structlog
from sqlalchemy import JSON, Row, make_url, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from services.ingress.ports import Dependency, JobRecord, Progress, UnavailableError
from shared.contracts import AttemptSummary, JobEnded, JobError, JobStatus, Lane, TokenUsage
from shared.ids import JobId
from shared.money import Nanodollars

__all__ = ["PostgresArchive", "archive_engine"]

log = structlog.get_logger()

_FACTS: Final = """
    job_id, tenant, caller, custom_id, lane, feature, model_asked, status, accepted_at, deadline,
    model_served, error, finish_reason, attempts, route, epoch, started_at, ended_at,
    uncached_input_tokens, cache_write_tokens, cache_read_tokens, output_tokens, reasoning_tokens
"""
_FIND: Final = text(
    f"select {_FACTS}, response from jobs where tenant = :tenant and job_id = :job"  # noqa: S608 - made of constants
).columns(error=JSON, attempts=JSON, response=JSON)
_PAGE: Final = text(
    f"""
    select {_FACTS}, null as response from jobs
    where tenant = :tenant and job_id < :after and (status = :status or :status = '')
    order by job_id desc limit :limit
    """  # noqa: S608 - made of constants
).columns(error=JSON, attempts=JSON, response=JSON)
# In a query of its own: joined, the view would be computed over the whole ledger.
_COSTS: Final = text(
    "select job_id, attempts, cost_nanodollars, unpriced_attempts from job_costs "
    "where tenant = :tenant and job_id = any(:jobs)"
)
_BEHIND_ALL_JOBS: Final = "job_g"

_UNTRIED: Final = "not connected yet"
_PROBE_SECONDS: Final = 5.0
_RETRY_SECONDS: Final = 1.0

Found = Row[*tuple[Any, ...]]


def archive_engine(url: str, *, call_seconds: float) -> AsyncEngine:
    """Connects when it is first used."""
    return create_async_engine(
        make_url(url).set(drivername="postgresql+asyncpg"),
        pool_size=4,
        max_overflow=0,
        pool_timeout=call_seconds,
        pool_pre_ping=True,
        connect_args={
            "timeout": call_seconds,
            "command_timeout": call_seconds,
            "server_settings": {"application_name": "sluice-ingress"},
        },
    )


class PostgresArchive:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self.problem: str | None = _UNTRIED
        """None while it can be read."""

    async def find(self, tenant: str, job: JobId) -> JobRecord | None:
        async with self._connection() as connection:
            row = (await connection.execute(_FIND, {"tenant": tenant, "job": job})).one_or_none()
            if row is None:
                return None
            costs = await _costs(connection, tenant, [job])
        return _record(row, costs.get(job))

    async def page(
        self, tenant: str, *, limit: int, after: JobId | None, status: JobStatus | Progress | None
    ) -> Sequence[JobRecord]:
        # The archive learns of a job's end, not of its run.
        wanted = Progress.QUEUED if isinstance(status, Progress) else status or ""
        values = {"tenant": tenant, "after": after or _BEHIND_ALL_JOBS, "status": str(wanted), "limit": limit}
        async with self._connection() as connection:
            rows = (await connection.execute(_PAGE, values)).all()
            costs = await _costs(connection, tenant, [row.job_id for row in rows if row.ended_at])
        return [_record(row, costs.get(row.job_id)) for row in rows]

    async def run(self) -> None:
        """Until cancelled: know whether it can be read."""
        while True:
            try:
                async with self._connection() as connection:
                    await connection.execute(_FIND, {"tenant": "", "job": ""})
            except UnavailableError as error:
                if self.problem in (None, _UNTRIED):
                    log.warning("archive_unavailable", reason=str(error))
                self.problem = str(error)
            else:
                if self.problem is not None:
                    log.info("archive_connected")
                self.problem = None
            await asyncio.sleep(_PROBE_SECONDS if self.problem is None else _RETRY_SECONDS)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._engine.connect() as connection:
                yield connection
        # asyncpg's own errors come wrapped once a connection stands, and as OSError or TimeoutError before.
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            raise UnavailableError(Dependency.POSTGRES, _first_line(error)) from error


async def _costs(connection: AsyncConnection, tenant: str, jobs: Sequence[str]) -> dict[str, Found]:
    if not jobs:
        return {}
    return {row.job_id: row for row in await connection.execute(_COSTS, {"tenant": tenant, "jobs": list(jobs)})}


def _record(row: Found, cost: Found | None) -> JobRecord:
    ended = _ended(row)
    return JobRecord(
        id=JobId(row.job_id),
        tenant=row.tenant,
        model=row.model_asked,
        lane=Lane(row.lane),
        accepted_at=row.accepted_at,
        custom_id=row.custom_id,
        deadline=row.deadline,
        ended=ended,
        cost=_cost(ended, cost),
    )


def _ended(row: Found) -> JobEnded | None:
    if row.ended_at is None:
        return None
    return JobEnded(
        job_id=JobId(row.job_id),
        tenant=row.tenant,
        caller=row.caller,
        custom_id=row.custom_id,
        lane=Lane(row.lane),
        feature=row.feature,
        model=row.model_asked,
        model_served=row.model_served,
        status=JobStatus(row.status),
        response=row.response,
        error=JobError.model_validate(row.error) if row.error else None,
        finish_reason=row.finish_reason,
        usage=TokenUsage(
            uncached_input=row.uncached_input_tokens or 0,
            cache_write=row.cache_write_tokens or 0,
            cache_read=row.cache_read_tokens or 0,
            output=row.output_tokens or 0,
            reasoning=row.reasoning_tokens or 0,
        ),
        attempts=tuple(AttemptSummary.model_validate(attempt) for attempt in row.attempts or ()),
        route=tuple(row.route or ()),
        epoch=row.epoch or 0,
        accepted_at=row.accepted_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
    )


def _cost(ended: JobEnded | None, cost: Found | None) -> Nanodollars | None:
    """Unknown as long as an attempt is missing in the ledger or has no price: never a sum that is too small."""
    if ended is None:
        return None
    if not ended.attempts:
        return Nanodollars(0)
    if cost is None or cost.attempts < len(ended.attempts) or cost.unpriced_attempts:
        return None
    return Nanodollars(cost.cost_nanodollars)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
