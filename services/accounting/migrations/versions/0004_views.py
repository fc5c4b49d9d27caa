"""Views for analysts: the same figures in days, models and jobs, with dollars as numeric."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_USAGE_BY_DAY = """
create view usage_by_day as
select
    (hour at time zone 'UTC')::date as day,
    tenant,
    model_asked,
    nullif(model_served, '') as model_served,
    provider,
    nullif(feature, '') as feature,
    sum(attempts)::bigint as attempts,
    sum(uncached_input_tokens)::bigint as uncached_input_tokens,
    sum(cache_write_tokens)::bigint as cache_write_tokens,
    sum(cache_read_tokens)::bigint as cache_read_tokens,
    sum(output_tokens)::bigint as output_tokens,
    sum(reasoning_tokens)::bigint as reasoning_tokens,
    sum(cost_nanodollars) * 0.000000001 as cost_dollars,
    sum(unpriced_tokens)::bigint as unpriced_tokens
from usage_hourly
group by 1, 2, 3, 4, 5, 6
"""

_COST_BY_MODEL = """
create view cost_by_model as
select
    model_asked,
    nullif(model_served, '') as model_served,
    provider,
    sum(attempts)::bigint as attempts,
    sum(uncached_input_tokens)::bigint as uncached_input_tokens,
    sum(cache_write_tokens)::bigint as cache_write_tokens,
    sum(cache_read_tokens)::bigint as cache_read_tokens,
    sum(output_tokens)::bigint as output_tokens,
    sum(reasoning_tokens)::bigint as reasoning_tokens,
    sum(cost_nanodollars) * 0.000000001 as cost_dollars,
    sum(unpriced_tokens)::bigint as unpriced_tokens
from usage_hourly
group by 1, 2, 3
"""

_JOB_COSTS = """
create view job_costs as
select
    job_id,
    tenant,
    count(*) as attempts,
    sum(uncached_input_tokens)::bigint as uncached_input_tokens,
    sum(cache_write_tokens)::bigint as cache_write_tokens,
    sum(cache_read_tokens)::bigint as cache_read_tokens,
    sum(output_tokens)::bigint as output_tokens,
    sum(reasoning_tokens)::bigint as reasoning_tokens,
    sum(cost_nanodollars)::bigint as cost_nanodollars,
    sum(cost_nanodollars) * 0.000000001 as cost_dollars,
    count(*) filter (where cost_nanodollars is null) as unpriced_attempts
from usage_ledger
group by job_id, tenant
"""

_VIEWS = {"usage_by_day": _USAGE_BY_DAY, "cost_by_model": _COST_BY_MODEL, "job_costs": _JOB_COSTS}

_COMMENTS = {
    "usage_by_day": "What was used and what it cost, by day (UTC), tenant, model, provider and feature.",
    "cost_by_model": "What each model has cost so far, by the provider that served it.",
    "job_costs": "What each job has used and cost, all its attempts together.",
}

_COLUMN_COMMENTS = {
    "day": "The day (UTC) on which the calls ended.",
    "job_id": "The job.",
    "tenant": "Who pays.",
    "model_asked": "The model the callers asked for.",
    "model_served": "The model as the provider named it; null when there was no answer.",
    "provider": "The provider's name in sluice.yaml.",
    "feature": "The feature that asked; null when none was named.",
    "attempts": "Calls to the provider, failed ones too.",
    "uncached_input_tokens": "Input at full price. The four buckets are disjoint.",
    "cache_write_tokens": "Input that the provider put into its prompt cache.",
    "cache_read_tokens": "Input that came from the provider's prompt cache.",
    "output_tokens": "Output, reasoning included.",
    "reasoning_tokens": "The part of output_tokens that nobody sees.",
    "cost_nanodollars": "In billionths of a US dollar; null when no call had a known price.",
    "cost_dollars": "In US dollars, exact. A lower bound when something is unpriced.",
    "unpriced_tokens": "Tokens of calls without a known price; they are not in the cost.",
    "unpriced_attempts": "Calls without a known price; they are not in the cost.",
}

_COLUMNS = {
    "usage_by_day": ("day", "tenant", "model_asked", "model_served", "provider", "feature", "unpriced_tokens"),
    "cost_by_model": ("model_asked", "model_served", "provider", "unpriced_tokens"),
    "job_costs": ("job_id", "tenant", "cost_nanodollars", "unpriced_attempts"),
}

_EVERYWHERE = (
    "attempts",
    "uncached_input_tokens",
    "cache_write_tokens",
    "cache_read_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cost_dollars",
)


def upgrade() -> None:
    for view, definition in _VIEWS.items():
        op.execute(definition)
        op.execute(f"comment on view {view} is {_quoted(_COMMENTS[view])}")
        for column in (*_COLUMNS[view], *_EVERYWHERE):
            op.execute(f"comment on column {view}.{column} is {_quoted(_COLUMN_COMMENTS[column])}")


def downgrade() -> None:
    for view in reversed(_VIEWS):
        op.execute(f"drop view {view}")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
