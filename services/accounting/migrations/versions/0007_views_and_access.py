"""Views for analysts, over the daily roll-ups; a role that may read them, and rows only for whom they concern."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_AMOUNTS: Final = """
    sum(uncached_input_tokens)::bigint as uncached_input_tokens,
    sum(cache_write_tokens)::bigint as cache_write_tokens,
    sum(cache_read_tokens)::bigint as cache_read_tokens,
    sum(output_tokens)::bigint as output_tokens,
    sum(reasoning_tokens)::bigint as reasoning_tokens,
    sum(cost_nanodollars) * 0.000000001 as cost_dollars,
    sum(billed_nanodollars) * 0.000000001 as billed_dollars,
    sum(provider_cost_nanodollars) * 0.000000001 as provider_cost_dollars,
    sum(unpriced_tokens)::bigint as unpriced_tokens"""

_AMOUNT_COLUMNS: Final = (
    "uncached_input_tokens cache_write_tokens cache_read_tokens output_tokens reasoning_tokens"
    " cost_dollars billed_dollars provider_cost_dollars unpriced_tokens"
)

_VIEWS: Final = {
    "usage_by_day": (
        "What was used and what it cost, by day, tenant, team, model, provider and feature.",
        f"day tenant team model_asked model_served provider feature attempts {_AMOUNT_COLUMNS}",
        f"""
        select day, tenant, nullif(team, '') as team, model_asked, nullif(model_served, '') as model_served, provider,
               nullif(feature, '') as feature, sum(attempts)::bigint as attempts, {_AMOUNTS}
        from usage_daily group by 1, 2, 3, 4, 5, 6, 7
        """,
    ),
    "cost_by_team": (
        "What each team of each tenant costs, by day.",
        f"day tenant team attempts {_AMOUNT_COLUMNS}",
        f"""
        select day, tenant, nullif(team, '') as team, sum(attempts)::bigint as attempts, {_AMOUNTS}
        from usage_daily group by 1, 2, 3
        """,
    ),
    "cost_by_model": (
        "What each model costs, by day and by the provider that served it.",
        f"day model_asked model_served provider attempts {_AMOUNT_COLUMNS}",
        f"""
        select day, model_asked, nullif(model_served, '') as model_served, provider,
               sum(attempts)::bigint as attempts, {_AMOUNTS}
        from usage_daily group by 1, 2, 3, 4
        """,
    ),
    "latency_percentiles": (
        "How long calls that succeeded took, by day, to within 5 %. For sums over days, sum up latency_daily.",
        "day model_asked provider deployment lane measure calls p50_ms p90_ms p95_ms p99_ms",
        """
        with counted as (
            select day, model_asked, provider, deployment, lane, measure, bucket, sum(calls) as calls
            from latency_daily group by 1, 2, 3, 4, 5, 6, 7
        ), running as (
            select *,
                   sum(calls) over (partition by day, model_asked, provider, deployment, lane, measure order by bucket)
                       as so_far,
                   sum(calls) over (partition by day, model_asked, provider, deployment, lane, measure) as total
            from counted
        )
        select day, model_asked, provider, deployment, lane, measure, max(total)::bigint as calls,
               round(power(1.1, min(bucket) filter (where so_far >= 0.50 * total) - 0.5))::integer as p50_ms,
               round(power(1.1, min(bucket) filter (where so_far >= 0.90 * total) - 0.5))::integer as p90_ms,
               round(power(1.1, min(bucket) filter (where so_far >= 0.95 * total) - 0.5))::integer as p95_ms,
               round(power(1.1, min(bucket) filter (where so_far >= 0.99 * total) - 0.5))::integer as p99_ms
        from running group by 1, 2, 3, 4, 5, 6
        """,
    ),
    "failover_rate": (
        "How often calls failed, were made again, and went to another deployment, by day, tenant and model.",
        "day tenant model_asked jobs attempts failed_attempts retries failovers failover_rate",
        """
        select day, tenant, model_asked, sum(first_attempts)::bigint as jobs, sum(attempts)::bigint as attempts,
               coalesce(sum(attempts) filter (where status = 'failed'), 0)::bigint as failed_attempts,
               sum(retries)::bigint as retries, sum(failovers)::bigint as failovers,
               round(sum(failovers) / nullif(sum(first_attempts), 0), 4) as failover_rate
        from usage_daily group by 1, 2, 3
        """,
    ),
    "unpriced": (
        "What has no price, so that nobody sees what it costs. Set one under prices, and run `sluice usage reprice`.",
        "provider upstream_model service_tier tenant attempts unpriced_tokens since until",
        """
        select provider, upstream_model, service_tier, tenant, count(*) as attempts,
               sum(uncached_input_tokens + cache_write_tokens + cache_read_tokens + output_tokens)::bigint
                   as unpriced_tokens,
               min(ended_at) as since, max(ended_at) as until
        from usage_ledger where cost_nanodollars is null group by 1, 2, 3, 4
        """,
    ),
}

_MEANINGS: Final = {
    "day": "The day (UTC) on which the calls ended.",
    "tenant": "Who pays.",
    "team": "The team of the key; null when it is in none.",
    "model_asked": "The model the callers asked for.",
    "model_served": "The model as the provider named it; null when there was no answer.",
    "provider": "The provider's name in sluice.yaml.",
    "deployment": "The deployment that was called.",
    "upstream_model": "The id under which the provider was asked.",
    "service_tier": "The class of service in which it was served; null when none was named.",
    "lane": "interactive or batch.",
    "feature": "The feature that asked; null when none was named.",
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
    "jobs": "Jobs that were begun.",
    "failed_attempts": "Calls that failed.",
    "retries": "Calls that asked the same deployment again.",
    "failovers": "Calls that went to another deployment than the one before.",
    "failover_rate": "Failovers per job; a job may have several.",
    "since": "When the first of them ended.",
    "until": "When the last of them ended.",
}

_READER: Final = "sluice_reader"
_OF_TENANTS: Final = ("usage_ledger", "usage_hourly", "usage_daily", "latency_daily", "price_changes", "jobs")
_CONTENT: Final = ("request", "response")
"""What callers and models said is no business of an analyst."""

_VISIBLE: Final = """
create function visible_tenants() returns text[] language sql stable security definer
begin atomic
    select coalesce(array_agg(a.tenant), '{}')
    from analyst_access a join pg_catalog.pg_roles r on r.rolname = a.role_name
    where pg_catalog.pg_has_role(session_user, r.oid, 'member');
end
"""
_VISIBLE_MEANING: Final = "Whose rows the role that has logged in may see; * is everybody's."

_MAKE_READER: Final = f"""
do $$ begin
    create role {_READER} nologin;
exception when duplicate_object or unique_violation or insufficient_privilege then
    raise notice 'the role {_READER} was not made: %', sqlerrm;
end $$
"""
_GRANT: Final = f"""
do $$
declare
    described text := (
        select string_agg(quote_ident(column_name), ', ') from information_schema.columns
        where table_schema = current_schema() and table_name = 'jobs'
          and column_name not in ({", ".join(f"'{name}'" for name in _CONTENT)})
    );
begin
    if not exists (select from pg_roles where rolname = '{_READER}') then return; end if;
    execute format('grant usage on schema %I to {_READER}', current_schema());
    grant select on {", ".join((*_OF_TENANTS[:-1], "consumed_offsets", "job_costs", *_VIEWS))} to {_READER};
    execute format('grant select (%s) on jobs to {_READER}', described);
end $$
"""


def upgrade() -> None:
    for view, (meaning, columns, definition) in _VIEWS.items():
        op.execute(f"create view {view} with (security_invoker = true) as {definition}")
        op.execute(f"comment on view {view} is {_quoted(meaning)}")
        for column in columns.split():
            op.execute(f"comment on column {view}.{column} is {_quoted(_MEANINGS[column])}")
    op.execute("alter view job_costs set (security_invoker = true)")
    _create_access()
    op.execute(_VISIBLE)
    op.execute(f"comment on function visible_tenants() is {_quoted(_VISIBLE_MEANING)}")
    for table in _OF_TENANTS:
        op.execute(f"alter table {table} enable row level security")
        op.execute(f"""
            create policy analysts on {table} for select using (
                '*' = any ((select visible_tenants())::text[]) or tenant = any ((select visible_tenants())::text[])
            )
        """)
    op.execute(_MAKE_READER)
    op.execute(_GRANT)


def downgrade() -> None:
    for view in _VIEWS:
        op.execute(f"drop view {view}")
    for table in _OF_TENANTS:
        op.execute(f"drop policy analysts on {table}")
        op.execute(f"alter table {table} disable row level security")
    op.execute("drop function visible_tenants()")
    op.drop_table("analyst_access")


def _create_access() -> None:
    op.create_table(
        "analyst_access",
        sa.Column("role_name", sa.Text(collation="C"), nullable=False, comment="A role of this PostgreSQL server."),
        sa.Column("tenant", sa.Text(collation="C"), nullable=False, comment="Whose rows it sees; * is everybody's."),
        sa.PrimaryKeyConstraint("role_name", "tenant", name="analyst_access_pkey"),
        comment="Which roles see the rows of which tenants. What a role does not stand here for, it does not see.",
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
