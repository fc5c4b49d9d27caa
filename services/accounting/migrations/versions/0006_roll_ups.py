"""Roll-ups by hour and by day, with teams and what is billed; histograms of how long calls took; changes of prices.

All are summed from the ledger anew, a day at a time, each well below the time that a statement may take.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_SUMMED: Final = (
    "uncached_input_tokens",
    "cache_write_tokens",
    "cache_read_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cost_nanodollars",
    "billed_nanodollars",
    "provider_cost_nanodollars",
    "queue_ms",
    "duration_ms",
    "first_token_ms",
)
_COUNTED: Final = {
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
_MEASURES: Final = {**_COUNTED, **{name: f"coalesce(sum({name}), 0)" for name in _SUMMED}}
_GROUPS: Final = {
    "tenant": "tenant",
    "team": "coalesce(team, '')",
    "caller": "caller",
    "model_asked": "model_asked",
    "model_served": "coalesce(model_served, '')",
    "provider": "provider",
    "deployment": "deployment",
    "lane": "lane",
    "feature": "coalesce(feature, '')",
    "status": "status",
}
_TIMES: Final = {
    "usage_hourly": ("hour", "date_trunc('hour', ended_at, 'UTC')"),
    "usage_daily": ("day", "(date_trunc('day', ended_at, 'UTC') at time zone 'UTC')::date"),
}

_LATENCIES: Final = """
    insert into latency_daily (day, tenant, model_asked, provider, deployment, lane, measure, bucket, calls)
    select (date_trunc('day', ended_at, 'UTC') at time zone 'UTC')::date, tenant, model_asked, provider, deployment,
           lane, measure, ceil(ln(greatest(ms, 1)::float8) / 0.09531017980432493)::smallint, count(*)
    from usage_ledger
    cross join lateral (values ('first_token', first_token_ms), ('duration', duration_ms)) as measured (measure, ms)
    where status = 'succeeded' and ms is not null and ended_at >= :begin and ended_at < :end
    group by 1, 2, 3, 4, 5, 6, 7, 8
"""


def upgrade() -> None:
    op.execute("drop view usage_by_day")
    op.execute("drop view cost_by_model")
    op.drop_table("usage_hourly")
    op.create_table(
        "usage_hourly",
        sa.Column(
            "hour",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="The beginning (UTC) of the hour in which the calls ended.",
        ),
        *_roll_up_columns(),
        sa.PrimaryKeyConstraint("hour", *_GROUPS, name="usage_hourly_pkey"),
        comment="The ledger summed by hour. Always equal to the ledger: both are written in one transaction.",
    )
    op.create_table(
        "usage_daily",
        sa.Column("day", sa.Date(), nullable=False, comment="The day (UTC) on which the calls ended."),
        *_roll_up_columns(),
        sa.PrimaryKeyConstraint("day", *_GROUPS, name="usage_daily_pkey"),
        comment="The ledger summed by day. Always equal to the ledger: both are written in one transaction.",
    )
    _create_latency_daily()
    _create_price_changes()
    if not op.get_context().as_sql:
        _sum_up(op.get_bind())


def downgrade() -> None:
    raise NotImplementedError("the former roll-up is not kept")


def _sum_up(connection: sa.Connection) -> None:
    bounds = sa.text("""
        select day, day + interval '24 hours' from generate_series(
            (select date_trunc('day', min(ended_at), 'UTC') from usage_ledger),
            (select max(ended_at) from usage_ledger),
            interval '24 hours'
        ) as day
    """)
    for begin, end in list(_days(connection, bounds)):
        for statement in (*map(_summing, _TIMES), _LATENCIES):
            connection.execute(sa.text(statement), {"begin": begin, "end": end})


def _days(connection: sa.Connection, bounds: sa.TextClause) -> Iterator[tuple[datetime, datetime]]:
    return ((row[0], row[1]) for row in connection.execute(bounds).all())


def _summing(table: str) -> str:
    name, time = _TIMES[table]
    columns = {name: time, **_GROUPS, **_MEASURES}
    return f"""
        insert into {table} ({", ".join(columns)}) select {", ".join(columns.values())}
        from usage_ledger where ended_at >= :begin and ended_at < :end
        group by {", ".join(map(str, range(1, len(_GROUPS) + 2)))}
    """


def _roll_up_columns() -> tuple[sa.Column[Any], ...]:
    return (
        _name("tenant", "Who pays."),
        _name("team", "The team of the key; empty: it is in none."),
        _name("caller", "The id of the API key, unique within its tenant."),
        _words("model_asked", "The model the callers asked for."),
        _words("model_served", "The model as the provider named it; empty: no answer."),
        _name("provider", "The provider's name in sluice.yaml."),
        _words("deployment", "The deployment that was called."),
        _name("lane", "interactive or batch."),
        _words("feature", "The feature that asked; empty: none was named."),
        _name("status", "succeeded, failed, cancelled or abandoned."),
        _sum("attempts", "Calls to the provider."),
        _sum("first_attempts", "Those that were the first of their jobs: so many jobs were begun."),
        _sum("retries", "Those that asked the deployment of the call before again."),
        _sum("failovers", "Those that asked another deployment than the call before."),
        _sum("uncached_input_tokens", "Input at full price. The four buckets are disjoint."),
        _sum("cache_write_tokens", "Input that the provider put into its prompt cache."),
        _sum("cache_read_tokens", "Input that came from the provider's prompt cache."),
        _sum("output_tokens", "Output, reasoning included."),
        _sum("reasoning_tokens", "The part of output_tokens that nobody sees."),
        _sum("cost_nanodollars", "What the calls with a known price cost, in billionths of a US dollar."),
        _sum("billed_nanodollars", "What of it the tenant pays, by the rule for partial answers."),
        _sum("unpriced_attempts", "Calls without a known price; above 0 the cost is a lower bound."),
        _sum("unpriced_tokens", "The tokens, of all four buckets, of the calls without a known price."),
        _sum("provider_cost_nanodollars", "What the providers say the calls cost, where they say so."),
        _sum("queue_ms", "Sum of the ledger's queue_ms; divide by attempts for the mean."),
        _sum("duration_ms", "Sum of the ledger's duration_ms; divide by attempts for the mean."),
        _sum("first_token_ms", "Sum of the ledger's first_token_ms; divide by first_tokens for the mean."),
        _sum("first_tokens", "Calls in which an output token arrived."),
    )


def _create_latency_daily() -> None:
    op.create_table(
        "latency_daily",
        sa.Column("day", sa.Date(), nullable=False, comment="The day (UTC) on which the calls ended."),
        _name("tenant", "Who pays."),
        _words("model_asked", "The model the callers asked for."),
        _name("provider", "The provider's name in sluice.yaml."),
        _words("deployment", "The deployment that was called."),
        _name("lane", "interactive or batch."),
        _name("measure", "first_token or duration, as in the ledger; of calls that succeeded."),
        sa.Column(
            "bucket",
            sa.SmallInteger(),
            autoincrement=False,
            nullable=False,
            comment="The calls took more than 1.1 ^ (bucket - 1) and at most 1.1 ^ bucket milliseconds.",
        ),
        _sum("calls", "How many."),
        sa.PrimaryKeyConstraint(
            "day",
            "tenant",
            "model_asked",
            "provider",
            "deployment",
            "lane",
            "measure",
            "bucket",
            name="latency_daily_pkey",
        ),
        comment="Histograms of how long calls took, by day. Always equal to the ledger, as usage_daily is.",
    )


def _create_price_changes() -> None:
    op.create_table(
        "price_changes",
        _name("job_id", "The job of the call."),
        sa.Column("attempt", sa.Integer(), autoincrement=False, nullable=False, comment="Which of its calls."),
        sa.Column(
            "changed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When it got the other price.",
        ),
        sa.Column(
            "keyed_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="As in the ledger: the time inside the job id.",
        ),
        _name("tenant", "Who pays."),
        sa.Column(
            "cost_before_nanodollars",
            sa.BigInteger(),
            nullable=True,
            comment="What it cost until then; null: no price was known.",
        ),
        _sum("cost_after_nanodollars", "What it costs from then on."),
        _words("price_version_before", "The prices used until then."),
        _words("price_version_after", "The prices used from then on."),
        sa.PrimaryKeyConstraint("job_id", "attempt", "changed_at", name="price_changes_pkey"),
        comment="Every change of a price in the ledger, with both prices.",
    )


def _name(name: str, comment: str) -> sa.Column[str]:
    """Compared byte by byte."""
    return sa.Column(name, sa.Text(collation="C"), nullable=False, comment=comment)


def _words(name: str, comment: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False, comment=comment)


def _sum(name: str, comment: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False, comment=comment)
