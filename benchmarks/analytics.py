"""How long do the documented views take over a large ledger? `python -m benchmarks.analytics [--rows N] [--plans]`.

The ledger is filled with generated calls of 90 days, by 20 tenants with two keys each, for six models, 1 in 1,000 of
them without a price; the roll-ups are its sums. Each view is then read as a whole, and for its last 30 days, three
times, and the quickest counts: caches are warm, as they are where somebody looks at a dashboard. `--plans` shows how
PostgreSQL went about it. It takes about seven gigabytes of disk, and gives them back.
"""

import argparse
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import asyncpg
import orjson
import uvloop
from sqlalchemy import insert, select

from benchmarks.report import Report, parser, tell
from devstack.stack import erase, running_stack
from services.accounting.ledger.budget_rules import keep_rules
from services.accounting.ledger.engine import as_text, engine_for
from services.accounting.ledger.latencies import histograms_of
from services.accounting.ledger.months import LedgerMonths
from services.accounting.ledger.roll_ups import keys_of, measures_of
from services.accounting.ledger.tables import DIMENSIONS, MEASURES, latency_daily, usage_hourly, usage_ledger
from services.accounting.migrations import migrate
from shared.budgets import BudgetRule
from shared.money import Nanodollars

DAYS: Final = 90
TENANTS: Final = 20
AT_ONCE: Final = 1_000_000
GOAL_MS: Final = 1000
_TIMES: Final = 3
_MEASURED: Final = "explain (analyze, timing off, serialize text, format json)"
"""The rows are made ready to be sent as well. To look at the clock for every row of every node would take longer."""
_SHOWN: Final = "explain (analyze, format json)"
_HOURS_SECONDS: Final = 3600

_CALLS: Final = """
    with made as (
        select n, random() as luck, (random() * 19.99)::int as tenant, (random() * 1.99)::int as key,
               (random() * 5.99)::int as model, (random() * 2.99)::int as feature, exp(random() * 3 + 5.5) as first_ms,
               $3::bigint - (random() * $4::bigint * 86400000)::bigint as ms
        from generate_series($1::bigint, $2::bigint) as n
    ), told as (
        select *, to_timestamp(ms / 1000.0) as at, md5(n::text) as digest, luck < 0.04 as failed, luck > 0.95 as second
        from made
    )
    insert into usage_ledger (
        job_id, attempt, keyed_at, role, epoch, tenant, team, caller, feature, tags, lane, model_asked, model_served,
        provider, deployment, upstream_model, status, uncached_input_tokens, cache_write_tokens, cache_read_tokens,
        output_tokens, reasoning_tokens, usage_source, cost_nanodollars, cache_saved_nanodollars, billing,
        price_version, finish_reason, error_kind, accepted_at, started_at, first_token_at, ended_at
    )
    select 'job_' || lpad(to_hex(ms), 12, '0') || '7' || substr(digest, 1, 3) || '8' || substr(digest, 4, 15),
           case when second then 2 else 1 end, at, case when second then 'failover' else 'first' end, 1,
           'tenant-' || tenant, case key when 0 then 'red' end, 'key-' || tenant || '-' || key,
           case feature when 0 then 'search' when 1 then 'summary' end,
           jsonb_build_object('project', 'p' || n % 40), case key when 0 then 'interactive' else 'batch' end,
           'model-' || model, case when not failed then 'model-' || model || '-2026-01' end,
           case when second then 'azure' else 'openai' end,
           case when second then 'azure' else 'openai' end || '/model-' || model, 'model-' || model,
           case when failed then 'failed' else 'succeeded' end, (random() * 4000)::int, 0, (random() * 900)::int,
           (random() * 800)::int, 0, 'provider', case when n % 1000 > 0 then (random() * 20000000)::bigint end,
           (random() * 900000)::bigint, 'whole', 'bench',
           case when not failed then 'stop' end, case when failed then 'server_error' end,
           at, at + interval '1 second', case when not failed then at + interval '1 second' + first_ms * interval '1 ms'
           end, at + interval '1 second' + 5 * first_ms * interval '1 ms'
    from told
"""
_DAILY: Final = f"""
    insert into usage_daily (day, {", ".join(DIMENSIONS[1:])}, {", ".join(MEASURES)})
    select (hour at time zone 'UTC')::date, {", ".join(DIMENSIONS[1:])},
           {", ".join(f"sum({name})::bigint" for name in MEASURES)}
    from usage_hourly group by {", ".join(str(place) for place in range(1, len(DIMENSIONS) + 1))}
"""  # noqa: S608 - names of ours
_BY_DAY: Final = (
    "usage_by_day",
    "cost_by_team",
    "cost_by_model",
    "latency_percentiles",
    "failover_rate",
    "cache_savings",
)
_WHOLE: Final = (*_BY_DAY, "unpriced", "budget_status")


@dataclass(frozen=True, slots=True)
class Reading:
    """One query, and how PostgreSQL answered it."""

    view: str
    what: str
    milliseconds: float
    rows: int
    plan: str
    """The nodes that take most of the time, from the outside in."""
    whole_plan: str


async def fill(connection: asyncpg.Connection, rows: int) -> None:
    until = int(datetime.now(UTC).timestamp() * 1000)
    for first in range(1, rows + 1, AT_ONCE):
        last = min(first + AT_ONCE - 1, rows)
        await connection.execute(_CALLS, first, last, until, DAYS, timeout=_HOURS_SECONDS)
    keys, measures = keys_of(usage_ledger), measures_of(usage_ledger)
    sums = select(*keys, *measures.values()).group_by(*keys)
    hourly = insert(usage_hourly).from_select([*DIMENSIONS, *MEASURES], sums)
    histograms = histograms_of(usage_ledger)
    latencies = insert(latency_daily).from_select(histograms.selected_columns.keys(), histograms)
    for statement in (as_text(hourly), _DAILY, as_text(latencies), "vacuum analyze"):
        await connection.execute(statement, timeout=_HOURS_SECONDS)


async def read(connection: asyncpg.Connection, view: str, what: str, query: str) -> Reading:
    best = float("inf")
    for _ in range(_TIMES):
        found = await _explained(connection, f"{_MEASURED} {query}")
        best = min(best, float(found["Planning Time"]) + float(found["Execution Time"]))
    plan = (await _explained(connection, f"{_SHOWN} {query}"))["Plan"]
    text = orjson.dumps(plan, option=orjson.OPT_INDENT_2).decode()
    return Reading(view, what, best, int(plan["Actual Rows"]), _nodes(plan), text)


async def _explained(connection: asyncpg.Connection, query: str) -> Any:  # noqa: ANN401 - PostgreSQL's own words
    [found] = orjson.loads(await connection.fetchval(query, timeout=_HOURS_SECONDS))
    return found


def _nodes(plan: dict[str, object]) -> str:
    """Along the child that takes longest."""
    names = []
    node: dict[str, object] | None = plan
    while node is not None:
        target = node.get("Relation Name")
        names.append(f"{node['Node Type']} on {target}" if target else str(node["Node Type"]))
        children = node.get("Plans")
        node = (
            max(children, key=lambda each: each["Actual Total Time"], default=None)
            if isinstance(children, list)
            else None
        )
    return " ← ".join(names)


async def measure(rows: int) -> tuple[list[Reading], str]:
    folder = Path(tempfile.mkdtemp(prefix="sluice-bench-"))
    folder.chmod(0o711)
    try:
        async with running_stack(folder / "stack", environ={}) as stack:
            engine = engine_for(stack.urls.postgres_url)
            await migrate(engine)
            for back in (60, 30, 0):  # their partitions are there, as if made in time
                await LedgerMonths(engine, None, lambda at=back: datetime.now(UTC) - timedelta(days=at)).look()
            connection = await asyncpg.connect(stack.urls.postgres_url)
            await fill(connection, rows)
            rules = [
                BudgetRule(f"tenant-{number}", "month", "month", "Europe/Berlin", Nanodollars(10**15))
                for number in range(TENANTS)
            ]
            await keep_rules(engine, rules)
            await engine.dispose()
            size = await connection.fetchval("select pg_size_pretty(pg_database_size(current_database()))")
            job = await connection.fetchval("select job_id from usage_ledger limit 1")
            readings = []
            for view in _WHOLE:
                readings.append(await read(connection, view, "all of it", f"select * from {view}"))  # noqa: S608
                if view in _BY_DAY:
                    month = f"select * from {view} where day >= current_date - 30"  # noqa: S608
                    readings.append(await read(connection, view, "30 days", month))
            one = f"select * from job_costs where job_id = '{job}'"  # noqa: S608 - an id of ours
            readings.append(await read(connection, "job_costs", "one job", one))
            await connection.close()
            return readings, str(size)
    finally:
        erase(folder / "stack")
        shutil.rmtree(folder, ignore_errors=True)


def report(readings: Sequence[Reading], rows: int, size: str) -> Report:
    headings = ("view", "of", "measured", "rows", "how")
    shown = [(each.view, each.what, f"{each.milliseconds:,.0f} ms", f"{each.rows:,}", each.plan) for each in readings]
    figures: list[dict[str, object]] = [
        {"view": each.view, "of": each.what, "ms": round(each.milliseconds, 1), "rows": each.rows, "plan": each.plan}
        for each in readings
    ]
    title = (
        f"Views over {rows:,} rows of the ledger in {DAYS} days ({size} with all sums); goal: {GOAL_MS:,} ms at most"
    )
    return Report("analytics", title, headings, shown, figures)


async def _main(options: argparse.Namespace) -> None:
    readings, size = await measure(options.rows)
    tell(report(readings, options.rows, size), options)
    if options.plans:
        for each in readings:
            print(f"\n{each.view}, {each.what}\n{each.whole_plan}")


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--rows", type=int, default=10_000_000)
    arguments.add_argument("--plans", action="store_true", help="show the whole plans too")
    uvloop.run(_main(arguments.parse_args()))
