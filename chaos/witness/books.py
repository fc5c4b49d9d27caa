"""What does PostgreSQL say when all is over? As an analyst would ask it."""

from typing import Any, Final

import asyncpg

from chaos.books import JobRow, LedgerRow
from shared.contracts import AttemptStatus, TokenUsage, UsageSource

__all__ = ["read_books"]

_BUCKETS: Final = (
    "uncached_input_tokens",
    "cache_write_tokens",
    "cache_read_tokens",
    "output_tokens",
    "reasoning_tokens",
)
_JOBS: Final = "select job_id, status from jobs"
_LEDGER: Final = f"""
    select attempt_id, job_id, attempt, epoch, status, {", ".join(_BUCKETS)}, usage_source, error_kind,
           extract(epoch from ended_at)::float8 as ended_at, extract(epoch from recorded_at)::float8 as recorded_at
    from usage_ledger
"""  # noqa: S608 - names of ours, no values


async def read_books(postgres_url: str) -> tuple[tuple[LedgerRow, ...], tuple[JobRow, ...]]:
    """Raises OSError or asyncpg.PostgresError when it does not answer."""
    connection = await asyncpg.connect(postgres_url)
    try:
        ledger = tuple(_ledger_row(row) for row in await connection.fetch(_LEDGER))
        jobs = tuple(JobRow(row["job_id"], row["status"]) for row in await connection.fetch(_JOBS))
    finally:
        await connection.close()
    return ledger, jobs


def _ledger_row(row: Any) -> LedgerRow:  # noqa: ANN401 - asyncpg has no types
    uncached, written, read, output, reasoning = (row[bucket] for bucket in _BUCKETS)
    return LedgerRow(
        attempt_id=row["attempt_id"],
        job=row["job_id"],
        attempt=row["attempt"],
        epoch=row["epoch"],
        status=AttemptStatus(row["status"]),
        usage=TokenUsage(
            uncached_input=uncached, cache_write=written, cache_read=read, output=output, reasoning=reasoning
        ),
        usage_source=UsageSource(row["usage_source"]),
        error_kind=row["error_kind"],
        ended_at=row["ended_at"],
        recorded_at=row["recorded_at"],
    )
