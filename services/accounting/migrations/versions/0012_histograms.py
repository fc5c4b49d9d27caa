"""Histograms of latencies that add up as numbers do, and the sums of days in dollars, line by line.

What was counted bucket by bucket becomes one number for each histogram, so nothing is lost, whatever the ledger has
forgotten since.
"""

from typing import Any, Final

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_KEY: Final = ("day", "tenant", "model_asked", "provider", "deployment", "lane")

_HISTOGRAM: Final = (
    "a histogram, which is a number: sum() merges several, and latency_buckets() tells how many calls took how long."
)

_BUCKETS: Final = """
create function latency_buckets(histogram numeric) returns table (bucket integer, calls bigint)
language sql immutable parallel safe
begin atomic
    select place, convert_from(substr(digits, length(digits) - 12 * place - 11, 12), 'SQL_ASCII')::bigint
    from (
        select convert_to(lpad(shown, (length(shown) + 11) / 12 * 12, '0'), 'SQL_ASCII') as digits
        from (select histogram::text as shown offset 0) as written offset 0
    ) as padded, generate_series(0, length(digits) / 12 - 1) as place
    where substr(digits, length(digits) - 12 * place - 11, 12) <> '000000000000'::bytea;
end
"""
"""`offset 0` keeps the planner from writing the digits out anew for each place."""
_BUCKETS_MEANING: Final = (
    "What a histogram of latency_daily, or a sum of several, says: so many calls took more than 1.1 ^ (bucket - 1)"
    " and at most 1.1 ^ bucket milliseconds. So the middle, 1.1 ^ (bucket - 0.5), is less than a twentieth off."
)

_PERCENTILE: Final = """
create function latency_percentile(histogram numeric, share double precision) returns integer
language sql immutable parallel safe
begin atomic
    select round(power(1.1, min(bucket) - 0.5))::integer
    from (
        select bucket, sum(calls) over (order by bucket) as so_far, sum(calls) over () as total
        from latency_buckets(histogram)
    ) as running
    where so_far >= share * total;
end
"""
_PERCENTILE_MEANING: Final = (
    "Such a share of the calls of a histogram of latency_daily, or of a sum of several, took no longer, in"
    " milliseconds, less than a twentieth off. Null when there are none."
)

_MERGE: Final = f"""
    insert into latency_daily ({", ".join(_KEY)}, first_token, duration)
    select {", ".join(_KEY)},
           coalesce(sum(calls * ('1e' || 12 * bucket)::numeric) filter (where measure = 'first_token'), 0),
           coalesce(sum(calls * ('1e' || 12 * bucket)::numeric) filter (where measure = 'duration'), 0)
    from latency_by_bucket where day = :day group by {", ".join(_KEY)}
"""

_PERCENTILES: Final = """
create view latency_percentiles with (security_invoker = true) as
with merged as (
    select day, model_asked, provider, deployment, lane, sum(first_token) as first_token, sum(duration) as duration
    from latency_daily group by 1, 2, 3, 4, 5
)
select day, model_asked, provider, deployment, lane, measure, shown.*
from merged
cross join lateral (values ('first_token', first_token), ('duration', duration)) as measured (measure, histogram)
cross join lateral (
    select max(so_far)::bigint as calls,
           round(power(1.1, min(bucket) filter (where so_far >= 0.50 * total) - 0.5))::integer as p50_ms,
           round(power(1.1, min(bucket) filter (where so_far >= 0.90 * total) - 0.5))::integer as p90_ms,
           round(power(1.1, min(bucket) filter (where so_far >= 0.95 * total) - 0.5))::integer as p95_ms,
           round(power(1.1, min(bucket) filter (where so_far >= 0.99 * total) - 0.5))::integer as p99_ms
    from (
        select bucket, sum(calls) over (order by bucket) as so_far, sum(calls) over () as total
        from latency_buckets(histogram)
    ) as running
) as shown
where histogram > 0
"""

_BY_DAY: Final = """
create view usage_by_day with (security_invoker = true) as
select day, tenant, nullif(team, '') as team, caller, model_asked, nullif(model_served, '') as model_served, provider,
       deployment, lane, nullif(feature, '') as feature, status, attempts,
       uncached_input_tokens, cache_write_tokens, cache_read_tokens, output_tokens, reasoning_tokens,
       cost_nanodollars * 0.000000001 as cost_dollars,
       billed_nanodollars * 0.000000001 as billed_dollars,
       provider_cost_nanodollars * 0.000000001 as provider_cost_dollars,
       unpriced_tokens
from usage_daily
"""

_VIEWS: Final = {
    "latency_percentiles": (
        _PERCENTILES,
        "How long calls that succeeded took, by day, less than a twentieth off. Of several days: sum up latency_daily.",
    ),
    "usage_by_day": (
        _BY_DAY,
        "What was used and what it cost, by day and by everything that is worth grouping by: sum up what you ask for.",
    ),
}

_MEANINGS: Final = {
    "day": "The day (UTC) on which the calls ended.",
    "tenant": "Who pays.",
    "team": "The team of the key; null when it is in none.",
    "caller": "The id of the API key, unique within its tenant.",
    "model_asked": "The model the callers asked for.",
    "model_served": "The model as the provider named it; null when there was no answer.",
    "provider": "The provider's name in sluice.yaml.",
    "deployment": "The deployment that was called.",
    "lane": "interactive or batch.",
    "feature": "The feature that asked; null when none was named.",
    "status": "succeeded, failed, cancelled or abandoned.",
    "attempts": "Calls to the provider, failed ones too.",
    "uncached_input_tokens": "Input at full price. The four buckets are disjoint.",
    "cache_write_tokens": "Input that the provider put into its prompt cache.",
    "cache_read_tokens": "Input that came from the provider's prompt cache.",
    "output_tokens": "Output, reasoning included.",
    "reasoning_tokens": "The part of output_tokens that nobody sees.",
    "cost_dollars": "In US dollars, exact. A lower bound when something is unpriced.",
    "billed_dollars": "What of it the tenant pays, in US dollars, exact.",
    "provider_cost_dollars": "What the providers say it cost, where they say so, in US dollars.",
    "unpriced_tokens": "Tokens of calls without a known price; they are not in the cost.",
    "measure": "first_token: from the call to its first output; duration: to its end.",
    "calls": "How many succeeded.",
    "p50_ms": "Half of them took no longer, in milliseconds.",
    "p90_ms": "Nine of ten took no longer.",
    "p95_ms": "Nineteen of twenty took no longer.",
    "p99_ms": "Ninety-nine of a hundred took no longer.",
}
_COLUMNS: Final = {
    "latency_percentiles": "day model_asked provider deployment lane measure calls p50_ms p90_ms p95_ms p99_ms",
    "usage_by_day": (
        "day tenant team caller model_asked model_served provider deployment lane feature status attempts"
        " uncached_input_tokens cache_write_tokens cache_read_tokens output_tokens reasoning_tokens"
        " cost_dollars billed_dollars provider_cost_dollars unpriced_tokens"
    ),
}

_GRANT: Final = f"""
do $$ begin
    if not exists (select from pg_roles where rolname = 'sluice_reader') then return; end if;
    grant select on latency_daily, {", ".join(_VIEWS)} to sluice_reader;
end $$
"""


def upgrade() -> None:
    for view in _VIEWS:
        op.execute(f"drop view {view}")
    op.execute(_BUCKETS)
    op.execute(f"comment on function latency_buckets(numeric) is {_quoted(_BUCKETS_MEANING)}")
    op.execute(_PERCENTILE)
    op.execute(f"comment on function latency_percentile(numeric, double precision) is {_quoted(_PERCENTILE_MEANING)}")
    op.execute("alter table latency_daily rename to latency_by_bucket")
    op.execute("alter index latency_daily_pkey rename to latency_by_bucket_pkey")
    _create_latency_daily()
    if not op.get_context().as_sql:
        _merge(op.get_bind())
    op.drop_table("latency_by_bucket")
    op.execute("alter table latency_daily enable row level security")
    op.execute("""
        create policy analysts on latency_daily for select using (
            '*' = any ((select visible_tenants())::text[]) or tenant = any ((select visible_tenants())::text[])
        )
    """)
    for view, (definition, meaning) in _VIEWS.items():
        op.execute(definition)
        op.execute(f"comment on view {view} is {_quoted(meaning)}")
        for column in _COLUMNS[view].split():
            op.execute(f"comment on column {view}.{column} is {_quoted(_MEANINGS[column])}")
    op.execute(_GRANT)


def downgrade() -> None:
    raise NotImplementedError("the former histograms are not kept")


def _merge(connection: sa.Connection) -> None:
    """A day at a time, each well below the time that a statement may take."""
    for (day,) in connection.execute(sa.text("select distinct day from latency_by_bucket order by day")).all():
        connection.execute(sa.text(_MERGE), {"day": day})


def _create_latency_daily() -> None:
    op.create_table(
        "latency_daily",
        sa.Column("day", sa.Date(), nullable=False, comment="The day (UTC) on which the calls ended."),
        _name("tenant", "Who pays."),
        sa.Column("model_asked", sa.Text(), nullable=False, comment="The model the callers asked for."),
        _name("provider", "The provider's name in sluice.yaml."),
        sa.Column("deployment", sa.Text(), nullable=False, comment="The deployment that was called."),
        _name("lane", "interactive or batch."),
        _histogram("first_token", f"How long until the first token: {_HISTOGRAM}"),
        _histogram("duration", f"How long until the end: {_HISTOGRAM}"),
        sa.PrimaryKeyConstraint(*_KEY, name="latency_daily_pkey"),
        comment=(
            "How long calls that succeeded took, by day, as histograms. Always equal to the ledger, as usage_daily is."
        ),
    )


def _name(name: str, comment: str) -> sa.Column[Any]:
    """Compared byte by byte."""
    return sa.Column(name, sa.Text(collation="C"), nullable=False, comment=comment)


def _histogram(name: str, comment: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Numeric(), nullable=False, comment=comment)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
