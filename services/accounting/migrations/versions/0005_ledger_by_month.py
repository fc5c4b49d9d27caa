"""The ledger in monthly partitions, with teams, roles, classes of service, units and what is billed.

Rows that are there already are moved in pieces, each well below the time that a statement may take.
"""

from datetime import datetime
from typing import Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_PIECE: Final = 200_000

_KEPT: Final = """
    job_id, attempt, keyed_at, epoch, tenant, caller, end_user, feature, tags, lane, model_asked, model_served,
    provider, deployment, upstream_model, region, status, uncached_input_tokens, cache_write_tokens,
    cache_read_tokens, output_tokens, reasoning_tokens, usage_source, cost_nanodollars, provider_cost_nanodollars,
    price_version, finish_reason, error_kind, accepted_at, started_at, first_token_at, ended_at, recorded_at
"""

_MOVE: Final = f"""
    with piece as (
        select * from usage_ledger_before where job_id >= :begin order by job_id limit :rows
    ), moved as (
        insert into usage_ledger ({_KEPT}, role, billing)
        select
            {_KEPT},
            case attempt when 1 then 'first' end,
            case status when 'succeeded' then 'whole' else 'charge' end
        from piece
        on conflict do nothing
    )
    select max(job_id), count(*) from piece
"""

_JOB_COSTS: Final = """
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
    sum(billed_nanodollars)::bigint as billed_nanodollars,
    sum(billed_nanodollars) * 0.000000001 as billed_dollars,
    count(*) filter (where cost_nanodollars is null) as unpriced_attempts
from usage_ledger
group by job_id, tenant
"""

_JOB_COSTS_MEANINGS: Final = {
    "job_id": "The job.",
    "tenant": "Who pays.",
    "attempts": "Calls to the provider, failed ones too.",
    "uncached_input_tokens": "Input at full price. The four buckets are disjoint.",
    "cache_write_tokens": "Input that the provider put into its prompt cache.",
    "cache_read_tokens": "Input that came from the provider''s prompt cache.",
    "output_tokens": "Output, reasoning included.",
    "reasoning_tokens": "The part of output_tokens that nobody sees.",
    "cost_nanodollars": "In billionths of a US dollar; null when no call had a known price.",
    "cost_dollars": "In US dollars, exact. A lower bound when something is unpriced.",
    "billed_nanodollars": "What of the cost the tenant pays, in billionths of a US dollar; null as the cost is.",
    "billed_dollars": "What of the cost the tenant pays, in US dollars, exact.",
    "unpriced_attempts": "Calls without a known price; they are not in the cost.",
}


def upgrade() -> None:
    op.execute("drop view job_costs")
    op.execute("alter table usage_ledger rename to usage_ledger_before")
    op.execute("alter index usage_ledger_pkey rename to usage_ledger_before_pkey")
    op.execute("drop index usage_ledger_ended_at_idx")
    _create()
    op.execute("create table usage_ledger_rest partition of usage_ledger default")
    op.execute(
        "comment on table usage_ledger_rest is 'The rows of the ledger whose month has no partition of its own.'"
    )
    if not op.get_context().as_sql:
        _move(op.get_bind())
    op.execute("drop table usage_ledger_before")
    op.execute(_JOB_COSTS)
    op.execute("comment on view job_costs is 'What each job has used and cost, all its attempts together.'")
    for column, meaning in _JOB_COSTS_MEANINGS.items():
        op.execute(f"comment on column job_costs.{column} is '{meaning}'")


def downgrade() -> None:
    raise NotImplementedError("what the new columns hold would be lost")


def _move(connection: sa.Connection) -> None:
    """A job's rows stay together: a piece begins with the job that the one before ended with."""
    begin, rows = "", _PIECE
    while rows == _PIECE:
        last, rows = connection.execute(sa.text(_MOVE), {"begin": begin, "rows": _PIECE}).one()
        begin = last or begin


def _create() -> None:
    op.create_table(
        "usage_ledger",
        _text("job_id", "The job the call was made for: job_<32 hex digits>."),
        sa.Column(
            "attempt",
            sa.Integer(),
            autoincrement=False,
            nullable=False,
            comment="Counts the provider calls of the job, from 1.",
        ),
        _moment("keyed_at", "The time inside the job id, in the key so that the table can be partitioned by it."),
        sa.Column(
            "attempt_id",
            sa.Text(collation="C"),
            sa.Computed("job_id || '.' || attempt", persisted=True),
            nullable=False,
            comment="<job_id>.<attempt>, the id of the call in events and logs.",
        ),
        _text(
            "role",
            "What the call was for: first; retry, of the same deployment; failover, to another. Null: nobody said.",
            nullable=True,
        ),
        _integer("epoch", "The fencing number under which the worker ran the job; above 1 the job was taken over."),
        _text("tenant", "Who pays."),
        _text("team", "The team of the tenant that the key belongs to; null when it is in none.", nullable=True),
        _text("caller", "The id of the API key, unique within its tenant."),
        _words("end_user", "The end user as the request named it in `user`; null when it did not.", nullable=True),
        _words(
            "feature",
            "The feature of the product that asked, as the request named it; null when it did not.",
            nullable=True,
        ),
        _labels("tags", "Free labels of the request, text to text."),
        _text("lane", "interactive: somebody waited for it; batch: it could wait."),
        _words("model_asked", "The model the caller asked for."),
        _words(
            "model_served",
            "The model as the provider named it in its answer; null when there was no answer.",
            nullable=True,
        ),
        _text("provider", "The provider's name in sluice.yaml."),
        _words("deployment", "The deployment that was called."),
        _words("upstream_model", "The id under which the provider was asked; the price was looked up by it."),
        _words("region", "The deployment's region; null when it has none.", nullable=True),
        _text(
            "service_tier",
            "The class of service in which the provider says it answered, such as flex; null when it named none.",
            nullable=True,
        ),
        _text("status", "How the call ended: succeeded, failed, cancelled, or abandoned (its worker died)."),
        _integer(
            "uncached_input_tokens",
            "Input at full price. The four buckets are disjoint: their sum is the total.",
        ),
        _integer("cache_write_tokens", "Input that the provider put into its prompt cache."),
        _integer("cache_read_tokens", "Input that came from the provider's prompt cache."),
        _integer("output_tokens", "Output, reasoning included."),
        _integer(
            "reasoning_tokens", "The part of output_tokens that nobody sees. Already counted there: never add it."
        ),
        _labels(
            "units",
            "What was counted besides and may have a price of its own, by its name: cache_write_1h, web_search, …",
        ),
        _text(
            "usage_source",
            "Who counted: provider; partial: what had arrived; estimate: our tokenizer; none: nothing served.",
        ),
        _money(
            "cost_nanodollars",
            "What the call cost by our price book, in billionths of a US dollar. Null: no price was known.",
        ),
        _text(
            "billing",
            "The rule by which the tenant pays: whole for a call that succeeded, else its partial_answers.",
        ),
        sa.Column(
            "billed_nanodollars",
            sa.BigInteger(),
            sa.Computed(
                "case when billing = 'free' or (billing = 'charge-cancelled' and status <> 'cancelled') then 0"
                " else cost_nanodollars end",
                persisted=True,
            ),
            nullable=True,
            comment=("What the tenant pays of the cost, by that rule, in billionths of a US dollar. Null: no price."),
        ),
        _money("provider_cost_nanodollars", "What the provider says it cost, where it says so."),
        _words("price_version", "Which prices were used: a version of the public price book, or override:<hash>."),
        _words("finish_reason", "Why the model stopped: stop, length, tool_calls, content_filter.", nullable=True),
        _text(
            "error_kind",
            "What went wrong, as one word of the router's failure table; null on success.",
            nullable=True,
        ),
        _moment("accepted_at", "When the job was accepted."),
        _moment("started_at", "When the call was made."),
        _moment("first_token_at", "When the first output token arrived; null when none did.", nullable=True),
        _moment("ended_at", "When the call ended. Roll-ups and reports count the call in this hour."),
        _span(
            "queue_ms",
            "started_at - accepted_at",
            "From acceptance to the start of this call. Of attempt 1 it is the time in the queue.",
        ),
        _span(
            "first_token_ms",
            "first_token_at - started_at",
            "From the start of the call to its first output token; null when none arrived.",
            nullable=True,
        ),
        _span("duration_ms", "ended_at - started_at", "From the start of the call to its end."),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When this row was written.",
        ),
        sa.PrimaryKeyConstraint("job_id", "attempt", "keyed_at", name="usage_ledger_pkey"),
        comment="One row per call to a provider, failed and abandoned ones too. Only a new price changes it.",
        postgresql_partition_by="RANGE (keyed_at)",
    )
    op.create_index("usage_ledger_ended_at_idx", "usage_ledger", ["ended_at"], postgresql_using="brin")
    op.create_index(
        "usage_ledger_unpriced_idx",
        "usage_ledger",
        ["provider", "upstream_model"],
        postgresql_where=sa.text("cost_nanodollars IS NULL"),
    )


def _text(name: str, comment: str, *, nullable: bool = False) -> sa.Column[str]:
    """Compared byte by byte."""
    return sa.Column(name, sa.Text(collation="C"), nullable=nullable, comment=comment)


def _words(name: str, comment: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable, comment=comment)


def _integer(name: str, comment: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False, comment=comment)


def _money(name: str, comment: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=True, comment=comment)


def _moment(name: str, comment: str, *, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, comment=comment)


def _labels(name: str, comment: str) -> sa.Column[object]:
    return sa.Column(name, postgresql.JSONB(), server_default="{}", nullable=False, comment=comment)


def _span(name: str, between: str, comment: str, *, nullable: bool = False) -> sa.Column[int]:
    milliseconds = sa.Computed(f"(extract(epoch from ({between})) * 1000)::integer", persisted=True)
    return sa.Column(name, sa.Integer(), milliseconds, nullable=nullable, comment=comment)
