"""Do the books agree with each other, and what do they say of given jobs? Each question is one statement, one snapshot.

The sums are worked out here in words of their own: what is compared must not be made by the same code.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from services.accounting.ledger.engine import transaction
from services.accounting.ledger.tables import DIMENSIONS, MEASURES
from services.accounting.ports import Place
from shared.contracts import TokenUsage

__all__ = [
    "Attempt",
    "Difference",
    "Recorded",
    "attempts_ended",
    "attempts_summed",
    "consumed",
    "database_time",
    "recorded",
    "roll_up_differences",
]

_MOST: Final = 1000
"""So many differences of a kind are as bad as more."""
_PAGE: Final = 10_000


@dataclass(frozen=True, slots=True)
class Difference:
    between: str
    """The two that should say the same."""
    what: str
    """Of what they do not."""
    first: str
    second: str


class Attempt(NamedTuple):
    job_id: str
    number: int


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the ledger says of a call."""

    status: str
    usage: TokenUsage


_GROUPS: Final = DIMENSIONS[1:]
_OF_THE_LEDGER: Final = {
    "attempts": "count(*)",
    "first_attempts": "count(*) filter (where attempt = 1)",
    "retries": "count(*) filter (where role = 'retry')",
    "failovers": "count(*) filter (where role = 'failover')",
    "unpriced_attempts": "count(*) filter (where cost_nanodollars is null)",
    "unpriced_tokens": (
        "coalesce(sum(uncached_input_tokens + cache_write_tokens + cache_read_tokens + output_tokens)"
        " filter (where cost_nanodollars is null), 0)"
    ),
    "first_tokens": "count(first_token_at)",
}
_TEXTS: Final = {name: f"coalesce({name}, '')" for name in ("team", "model_served", "feature")}

_BUCKETS: Final = "uncached_input_tokens, cache_write_tokens, cache_read_tokens, output_tokens, reasoning_tokens"


def _compared(first: str, second: str, keys: Sequence[str], measures: Sequence[str]) -> str:
    """A row for each measure of each key in which the two differ."""
    told = ", ".join(f"nullif({key}::text, '')" for key in keys)
    pairs = ", ".join(f"('{name}', a.{name}::text, b.{name}::text)" for name in measures)
    return f"""
        with a as ({first}), b as ({second})
        select concat_ws(' ', {told}) || ': ' || sum_of, coalesce(here, 'nothing'), coalesce(there, 'nothing')
        from a full join b using ({", ".join(keys)}), lateral (values {pairs}) as compared (sum_of, here, there)
        where here is distinct from there and coalesce(here, '0') <> coalesce(there, '0')
        order by 1 limit {_MOST}
    """  # noqa: S608 - names of ours


_HOURS: Final = _compared(
    f"""
    select date_trunc('hour', ended_at, 'UTC') as hour, {", ".join(f"{_TEXTS.get(n, n)} as {n}" for n in _GROUPS)},
           {", ".join(f"{_OF_THE_LEDGER.get(n, f'coalesce(sum({n}), 0)')} as {n}" for n in MEASURES)}
    from usage_ledger where ended_at >= $1 and ended_at < $2
    group by {", ".join(str(place) for place in range(1, len(DIMENSIONS) + 1))}
    """,  # noqa: S608
    "select * from usage_hourly where hour >= $1 and hour < $2",
    DIMENSIONS,
    MEASURES,
)
_DAYS: Final = _compared(
    f"""
    select (hour at time zone 'UTC')::date as day, {", ".join(_GROUPS)},
           {", ".join(f"sum({name}) as {name}" for name in MEASURES)}
    from usage_hourly
    where hour >= date_trunc('day', $1, 'UTC') and hour < date_trunc('day', $2, 'UTC') + interval '24 hours'
    group by {", ".join(str(place) for place in range(1, len(DIMENSIONS) + 1))}
    """,  # noqa: S608
    "select * from usage_daily where day >= ($1 at time zone 'UTC')::date and day <= ($2 at time zone 'UTC')::date",
    ("day", *_GROUPS),
    MEASURES,
)
_LATENCY_KEYS: Final = ("day", "tenant", "model_asked", "provider", "deployment", "lane", "measure", "bucket")
_LATENCIES: Final = _compared(
    """
    select (ended_at at time zone 'UTC')::date as day, tenant, model_asked, provider, deployment, lane, measure,
           ceil(ln(greatest(ms, 1)::float8) / ln(1.1::float8))::integer as bucket, count(*) as calls
    from usage_ledger
    cross join lateral (values ('first_token', first_token_ms), ('duration', duration_ms)) as m (measure, ms)
    where status = 'succeeded' and ms is not null
      and ended_at >= date_trunc('day', $1, 'UTC') and ended_at < date_trunc('day', $2, 'UTC') + interval '24 hours'
    group by 1, 2, 3, 4, 5, 6, 7, 8
    """,
    """
    select day, tenant, model_asked, provider, deployment, lane, measure, bucket, calls
    from latency_daily
    cross join lateral (values ('first_token', first_token), ('duration', duration)) as m (measure, histogram)
    cross join lateral latency_buckets(histogram)
    where day >= ($1 at time zone 'UTC')::date and day <= ($2 at time zone 'UTC')::date
    """,
    _LATENCY_KEYS,
    ("calls",),
)
_PAIRS: Final = {
    "usage_ledger, usage_hourly": _HOURS,
    "usage_hourly, usage_daily": _DAYS,
    "usage_ledger, latency_daily": _LATENCIES,
}


async def roll_up_differences(engine: AsyncEngine, since: datetime, until: datetime) -> Sequence[Difference]:
    """Of the hours from `since` to before `until`, and of the days in which they are. Raises AwayError."""
    found: list[Difference] = []
    for between, statement in _PAIRS.items():
        async with transaction(engine) as connection:
            rows = await connection.fetch(statement, since, until)
        found += [Difference(between, *row) for row in rows]
    return found


async def consumed(engine: AsyncEngine, *topics: str) -> Mapping[Place, int]:
    """Up to where each partition of the topics is in the database. Raises AwayError."""
    query = "select topic, partition, next_offset from consumed_offsets where topic = any($1)"
    async with transaction(engine) as connection:
        rows = await connection.fetch(query, topics)
    return {Place(row["topic"], row["partition"]): row["next_offset"] for row in rows}


async def recorded(engine: AsyncEngine, jobs: Sequence[str]) -> Mapping[Attempt, Recorded]:
    """What the ledger says of the calls of these jobs. Raises AwayError."""
    query = f"select job_id, attempt, status, {_BUCKETS} from usage_ledger where job_id = any($1)"  # noqa: S608
    async with transaction(engine) as connection:
        rows = await connection.fetch(query, jobs)
    return {Attempt(row["job_id"], row["attempt"]): _recorded(row) for row in rows}


async def database_time(engine: AsyncEngine) -> datetime:
    """By the clock that `recorded_at` goes by. Raises AwayError."""
    async with transaction(engine) as connection:
        now: datetime = await connection.fetchval("select clock_timestamp()")
    return now


async def attempts_summed(engine: AsyncEngine, since: datetime, until: datetime) -> int:
    """How many calls ended in that time, as the sums say. Raises AwayError."""
    query = "select coalesce(sum(attempts), 0)::bigint from usage_hourly where hour >= $1 and hour < $2"
    async with transaction(engine) as connection:
        found: int = await connection.fetchval(query, since, until)
    return found


async def attempts_ended(
    engine: AsyncEngine, since: datetime, until: datetime, *, recorded_before: datetime
) -> AsyncIterator[Sequence[Attempt]]:
    """The calls in the ledger that ended in that time, page by page. Raises AwayError."""
    query = """
        select job_id, attempt from usage_ledger
        where ended_at >= $1 and ended_at < $2 and recorded_at < $3 and (job_id, attempt) > ($4, $5)
        order by 1, 2 limit $6
    """
    after = Attempt("", 0)
    while True:
        async with transaction(engine) as connection:
            rows = await connection.fetch(query, since, until, recorded_before, *after, _PAGE)
        yield [Attempt(*row) for row in rows]
        if len(rows) < _PAGE:
            return
        after = Attempt(*rows[-1])


def _recorded(row: asyncpg.Record) -> Recorded:
    uncached, written, read, output, reasoning = (row[name] for name in _BUCKETS.split(", "))
    usage = TokenUsage(
        uncached_input=uncached, cache_write=written, cache_read=read, output=output, reasoning=reasoning
    )
    return Recorded(row["status"], usage)
