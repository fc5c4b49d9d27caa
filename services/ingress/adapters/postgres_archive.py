"""The archive of `ports.JobArchive`: accounting's `jobs` and `job_costs`, read by tenant and never written.

Plain asyncpg, for two queries: an ORM would be a third of this process's start-up time and a fifth of its memory.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import orjson

from services.ingress.adapters.postgres import connection as connection_of
from services.ingress.adapters.reachability import Reachability
from services.ingress.ports import JobRecord, Progress, UnavailableError
from shared.contracts import AttemptSummary, BlobRef, JobEnded, JobError, JobStatus, Lane, PlanEntry, TokenUsage
from shared.ids import JobId
from shared.money import Nanodollars

__all__ = ["PostgresArchive"]

_FACTS: Final = """
    job_id, tenant, caller, custom_id, lane, feature, model_asked, status, accepted_at, deadline,
    model_served, error, finish_reason, attempts, route, plan, epoch, started_at, ended_at,
    uncached_input_tokens, cache_write_tokens, cache_read_tokens, output_tokens, reasoning_tokens
"""
_FIND: Final = f"select {_FACTS}, response from jobs where tenant = $1 and job_id = $2"  # noqa: S608 - of constants
_PAGE: Final = f"""
    select {_FACTS}, null as response from jobs
    where tenant = $1 and job_id < $2 and ($3 = '' or status = $3)
    order by job_id desc limit $4
"""  # noqa: S608 - of constants
# In a query of its own: joined, the view would be computed over the whole ledger.
_COSTS: Final = """
    select job_id, attempts, cost_nanodollars, unpriced_attempts from job_costs
    where tenant = $1 and job_id = any($2)
"""
_BEHIND_ALL_JOBS: Final = "job_g"

_PROBE_SECONDS: Final = 5.0
_RETRY_SECONDS: Final = 1.0

Row = Any
"""asyncpg's Record, which has no types."""


class PostgresArchive:
    def __init__(self, pool: Any, reachability: Reachability, *, call_seconds: float) -> None:  # noqa: ANN401
        """PostgreSQL is reachable while the archive can be read."""
        self._connection = partial(connection_of, pool, call_seconds=call_seconds)
        self._reachability = reachability

    async def find(self, tenant: str, job: JobId) -> JobRecord | None:
        async with self._connection() as connection:
            row = await connection.fetchrow(_FIND, tenant, job)
            if row is None:
                return None
            costs = await _costs(connection, tenant, [job])
        return _record(row, costs.get(job))

    async def page(
        self, tenant: str, *, limit: int, after: JobId | None, status: JobStatus | Progress | None
    ) -> Sequence[JobRecord]:
        # The archive learns of a job's end, not of its run.
        wanted = Progress.QUEUED if isinstance(status, Progress) else status or ""
        async with self._connection() as connection:
            rows = await connection.fetch(_PAGE, tenant, after or _BEHIND_ALL_JOBS, str(wanted), limit)
            costs = await _costs(connection, tenant, [row["job_id"] for row in rows if row["ended_at"]])
        return [_record(row, costs.get(row["job_id"])) for row in rows]

    async def run(self) -> None:
        """Until cancelled: know whether it can be read."""
        while True:
            try:
                async with self._connection() as connection:
                    await connection.fetchrow(_FIND, "", "")
            except UnavailableError as error:
                self._reachability.away(error.why)
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                self._reachability.answers()
                await asyncio.sleep(_PROBE_SECONDS)


async def _costs(connection: Any, tenant: str, jobs: Sequence[str]) -> dict[str, Row]:  # noqa: ANN401
    if not jobs:
        return {}
    return {row["job_id"]: row for row in await connection.fetch(_COSTS, tenant, jobs)}


def _record(row: Row, cost: Row | None) -> JobRecord:
    ended = _ended(row)
    return JobRecord(
        id=JobId(row["job_id"]),
        tenant=row["tenant"],
        model=row["model_asked"],
        lane=Lane(row["lane"]),
        accepted_at=row["accepted_at"],
        custom_id=row["custom_id"],
        deadline=row["deadline"],
        ended=ended,
        cost=_cost(ended, cost),
    )


def _ended(row: Row) -> JobEnded | None:
    if row["ended_at"] is None:
        return None
    return JobEnded(
        job_id=JobId(row["job_id"]),
        tenant=row["tenant"],
        caller=row["caller"],
        custom_id=row["custom_id"],
        lane=Lane(row["lane"]),
        feature=row["feature"],
        model=row["model_asked"],
        model_served=row["model_served"],
        status=JobStatus(row["status"]),
        **_response(row["response"]),
        error=JobError.model_validate_json(row["error"]) if row["error"] else None,
        finish_reason=row["finish_reason"],
        usage=TokenUsage(
            uncached_input=row["uncached_input_tokens"] or 0,
            cache_write=row["cache_write_tokens"] or 0,
            cache_read=row["cache_read_tokens"] or 0,
            output=row["output_tokens"] or 0,
            reasoning=row["reasoning_tokens"] or 0,
        ),
        attempts=tuple(AttemptSummary.model_validate(attempt) for attempt in orjson.loads(row["attempts"] or b"[]")),
        route=tuple(row["route"] or ()),
        plan=tuple(PlanEntry.model_validate(entry) for entry in orjson.loads(row["plan"])) if row["plan"] else None,
        epoch=row["epoch"] or 0,
        accepted_at=row["accepted_at"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
    )


def _response(raw: str | None) -> dict[str, Any]:
    """A large one lies in the blob store, and the row says where."""
    if not raw:
        return {}
    found = orjson.loads(raw)
    if found.get("object") == "blob":
        return {"response_blob": BlobRef(key=found["key"], size=found["size"])}
    return {"response": found}


def _cost(ended: JobEnded | None, cost: Row | None) -> Nanodollars | None:
    """Unknown as long as an attempt is missing in the ledger or has no price: never a sum that is too small."""
    if ended is None:
        return None
    if not ended.attempts:
        return Nanodollars(0)
    if cost is None or cost["attempts"] < len(ended.attempts) or cost["unpriced_attempts"]:
        return None
    return Nanodollars(cost["cost_nanodollars"])
