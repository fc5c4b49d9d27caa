"""What do the books say? PostgreSQL as an analyst asks it, and each provider's own account of what it served."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import asyncpg
import httpx

from cli.demonstration.evidence import JobRow, LedgerRow, RollupKey, RollupRow, ServedCall
from cli.demonstration.setting import ProviderPlace
from shared.contracts import AttemptStatus, JobStatus, TokenUsage, UsageSource
from shared.money import Nanodollars

__all__ = ["Books", "all_calls_ended", "calls_served", "calls_under_way"]

_LOOK_SECONDS: Final = 0.1

_BUCKETS: Final = (
    "uncached_input_tokens",
    "cache_write_tokens",
    "cache_read_tokens",
    "output_tokens",
    "reasoning_tokens",
)

_JOBS: Final = "select job_id, custom_id, status from jobs order by job_id"
_LEDGER: Final = f"""
    select attempt_id, job_id, attempt, provider, upstream_model, model_asked, status, {", ".join(_BUCKETS)},
           usage_source, cost_nanodollars, started_at
    from usage_ledger order by job_id, attempt
"""  # noqa: S608 - names of ours, no values
_ROLLUP: Final = f"""
    select model_asked, provider, sum(attempts)::bigint as attempts,
           {", ".join(f"sum({bucket})::bigint as {bucket}" for bucket in _BUCKETS)},
           sum(cost_nanodollars)::bigint as cost_nanodollars
    from usage_hourly group by model_asked, provider
"""  # noqa: S608
_COUNTS: Final = """
    select (select count(*) from jobs where status <> 'queued') as ended, (select count(*) from usage_ledger) as calls
"""


class Books:
    """The database. Every method raises OSError or asyncpg.PostgresError when it does not answer."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def until(self, condition: Callable[[int, int], bool], seconds: float) -> bool:
        """Whether the condition on (jobs ended, calls charged) came true within that time."""
        give_up_at = time.monotonic() + seconds
        while True:
            counts = await self._connection.fetchrow(_COUNTS)
            if condition(counts["ended"], counts["calls"]):
                return True
            if time.monotonic() > give_up_at:
                return False
            await asyncio.sleep(_LOOK_SECONDS)

    async def jobs(self) -> tuple[JobRow, ...]:
        rows = await self._connection.fetch(_JOBS)
        return tuple(JobRow(row["job_id"], row["custom_id"], _status(row["status"])) for row in rows)

    async def ledger(self) -> tuple[LedgerRow, ...]:
        rows = await self._connection.fetch(_LEDGER)
        return tuple(
            LedgerRow(
                attempt_id=row["attempt_id"],
                job=row["job_id"],
                attempt=row["attempt"],
                provider=row["provider"],
                upstream_model=row["upstream_model"],
                model=row["model_asked"],
                status=AttemptStatus(row["status"]),
                usage=_usage(row),
                usage_source=UsageSource(row["usage_source"]),
                cost=None if row["cost_nanodollars"] is None else Nanodollars(row["cost_nanodollars"]),
                started_at=row["started_at"],
            )
            for row in rows
        )

    async def rollup(self) -> dict[RollupKey, RollupRow]:
        rows = await self._connection.fetch(_ROLLUP)
        return {
            RollupKey(row["model_asked"], row["provider"]): RollupRow(
                row["attempts"], _usage(row), Nanodollars(row["cost_nanodollars"] or 0)
            )
            for row in rows
        }


async def calls_served(client: httpx.AsyncClient, providers: Mapping[str, ProviderPlace]) -> tuple[ServedCall, ...]:
    """Every call that has ended. Raises httpx.HTTPError."""
    calls: list[ServedCall] = []
    for name, place in providers.items():
        answer = (await client.get(f"{place.url}/_sim/served")).raise_for_status()
        calls += [
            ServedCall(
                attempt_id=call["client_request_id"],
                provider=name,
                fault=call["fault"],
                input_tokens=call["prompt_tokens"],
                cached_tokens=call["cached_tokens"],
                output_tokens=call["output_tokens"],
                reasoning_tokens=call["reasoning_tokens"],
                first_token_seconds=_first_token_seconds(call),
            )
            for call in answer.json()
        ]
    return tuple(calls)


async def calls_under_way(client: httpx.AsyncClient, providers: Mapping[str, ProviderPlace]) -> int:
    """Raises httpx.HTTPError."""
    totals = [(await client.get(f"{place.url}/_sim/totals")).raise_for_status() for place in providers.values()]
    return sum(int(each.json()["in_flight"]) for each in totals)


async def all_calls_ended(client: httpx.AsyncClient, providers: Mapping[str, ProviderPlace], seconds: float) -> bool:
    """Whether they have within that time. Raises httpx.HTTPError."""
    give_up_at = time.monotonic() + seconds
    while await calls_under_way(client, providers):
        if time.monotonic() > give_up_at:
            return False
        await asyncio.sleep(_LOOK_SECONDS)
    return True


def _first_token_seconds(call: Mapping[str, Any]) -> float | None:
    """Of a stream. An answer that came whole has no first token to wait for."""
    if not call["stream"] or call["first_token_at"] is None:
        return None
    return float(call["first_token_at"] - call["started_at"])


def _status(text: str) -> JobStatus | None:
    return None if text == "queued" else JobStatus(text)


def _usage(row: "asyncpg.Record") -> TokenUsage:
    uncached, written, read, output, reasoning = (row[bucket] for bucket in _BUCKETS)
    return TokenUsage(uncached_input=uncached, cache_write=written, cache_read=read, output=output, reasoning=reasoning)
