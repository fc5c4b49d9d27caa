"""The ledger summed by queries of the tests' own, to compare the roll-ups with."""

import math
from collections import Counter

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

KEYS = "tenant, team, caller, model_asked, model_served, provider, deployment, lane, feature, status"
SUMS = """
    attempts, first_attempts, retries, failovers, uncached_input_tokens, cache_write_tokens, cache_read_tokens,
    output_tokens, reasoning_tokens, cost_nanodollars, billed_nanodollars, unpriced_attempts, unpriced_tokens,
    provider_cost_nanodollars, cache_saved_nanodollars, queue_ms, duration_ms, first_token_ms, first_tokens
"""
SUMS_OF_THE_LEDGER = """
    select {time}, tenant, coalesce(team, ''), caller, model_asked, coalesce(model_served, ''), provider,
           deployment, lane, coalesce(feature, ''), status,
           count(*), count(*) filter (where attempt = 1), count(*) filter (where role = 'retry'),
           count(*) filter (where role = 'failover'),
           sum(uncached_input_tokens), sum(cache_write_tokens), sum(cache_read_tokens), sum(output_tokens),
           sum(reasoning_tokens), coalesce(sum(cost_nanodollars), 0), coalesce(sum(billed_nanodollars), 0),
           count(*) filter (where cost_nanodollars is null),
           coalesce(sum(uncached_input_tokens + cache_write_tokens + cache_read_tokens + output_tokens)
                    filter (where cost_nanodollars is null), 0),
           coalesce(sum(provider_cost_nanodollars), 0), coalesce(sum(cache_saved_nanodollars), 0),
           sum(queue_ms), sum(duration_ms), coalesce(sum(first_token_ms), 0), count(first_token_ms)
    from usage_ledger group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    order by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
"""
ROLL_UPS = {
    "usage_hourly": ("hour", "date_trunc('hour', ended_at, 'UTC')"),
    "usage_daily": ("day", "(ended_at at time zone 'UTC')::date"),
}
HISTOGRAMS_OF_THE_LEDGER = """
    select (ended_at at time zone 'UTC')::date, tenant, model_asked, provider, deployment, lane, measure, ms
    from usage_ledger, lateral (values ('first_token', first_token_ms), ('duration', duration_ms)) as m (measure, ms)
    where status = 'succeeded' and ms is not null
"""
HISTOGRAMS = """
    select day, tenant, model_asked, provider, deployment, lane, measure, bucket, calls
    from latency_daily, lateral (values ('first_token', first_token), ('duration', duration)) as m (measure, histogram),
         latency_buckets(histogram)
"""


async def rows(engine: AsyncEngine, query: str) -> list[tuple[object, ...]]:
    async with engine.connect() as connection:
        return [tuple(row) for row in (await connection.execute(text(query))).all()]


async def assert_the_roll_ups_are_the_sum_of_the_ledger(engine: AsyncEngine) -> None:
    for table, (name, time) in ROLL_UPS.items():
        expected = await rows(engine, SUMS_OF_THE_LEDGER.format(time=time))
        found = await rows(engine, f"select {name}, {KEYS}, {SUMS} from {table} order by {name}, {KEYS}")  # noqa: S608
        assert found == expected
        assert expected
    histograms = Counter(
        (*key, math.ceil(round(math.log(max(ms, 1), 1.1), 9)))
        for *key, ms in await rows(engine, HISTOGRAMS_OF_THE_LEDGER)
    )
    assert {tuple(key): calls for *key, calls in await rows(engine, HISTOGRAMS)} == histograms
