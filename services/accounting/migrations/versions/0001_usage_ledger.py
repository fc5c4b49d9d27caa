"""One row per call to a provider."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "usage_ledger",
        sa.Column(
            "job_id",
            sa.Text(collation="C"),
            nullable=False,
            comment="The job the call was made for: job_<32 hex digits>.",
        ),
        sa.Column(
            "attempt",
            sa.Integer(),
            autoincrement=False,
            nullable=False,
            comment="Counts the provider calls of the job, from 1.",
        ),
        sa.Column(
            "keyed_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="The time inside the job id, in the key so that the table can be partitioned by it.",
        ),
        sa.Column(
            "attempt_id",
            sa.Text(collation="C"),
            sa.Computed("job_id || '.' || attempt", persisted=True),
            nullable=False,
            comment="<job_id>.<attempt>, the id of the call in events and logs.",
        ),
        sa.Column(
            "epoch",
            sa.Integer(),
            nullable=False,
            comment="The fencing number under which the worker ran the job; above 1 the job was taken over.",
        ),
        sa.Column("tenant", sa.Text(collation="C"), nullable=False, comment="Who pays."),
        sa.Column(
            "caller", sa.Text(collation="C"), nullable=False, comment="The id of the API key, unique within its tenant."
        ),
        sa.Column(
            "end_user",
            sa.Text(),
            nullable=True,
            comment="The end user as the request named it in `user`; null when it did not.",
        ),
        sa.Column(
            "feature",
            sa.Text(),
            nullable=True,
            comment="The feature of the product that asked, as the request named it; null when it did not.",
        ),
        sa.Column(
            "tags",
            postgresql.JSONB(),
            server_default="{}",
            nullable=False,
            comment="Free labels of the request, text to text.",
        ),
        sa.Column(
            "lane",
            sa.Text(collation="C"),
            nullable=False,
            comment="interactive: somebody waited for it; batch: it could wait.",
        ),
        sa.Column("model_asked", sa.Text(), nullable=False, comment="The model the caller asked for."),
        sa.Column(
            "model_served",
            sa.Text(),
            nullable=True,
            comment="The model as the provider named it in its answer; null when there was no answer.",
        ),
        sa.Column("provider", sa.Text(collation="C"), nullable=False, comment="The provider's name in sluice.yaml."),
        sa.Column("deployment", sa.Text(), nullable=False, comment="The deployment that was called."),
        sa.Column(
            "upstream_model",
            sa.Text(),
            nullable=False,
            comment="The id under which the provider was asked; the price was looked up by it.",
        ),
        sa.Column("region", sa.Text(), nullable=True, comment="The deployment's region; null when it has none."),
        sa.Column(
            "status",
            sa.Text(collation="C"),
            nullable=False,
            comment="How the call ended: succeeded, failed, cancelled, or abandoned (its worker died).",
        ),
        sa.Column(
            "uncached_input_tokens",
            sa.Integer(),
            nullable=False,
            comment="Input at full price. The four buckets are disjoint: their sum is the total.",
        ),
        sa.Column(
            "cache_write_tokens",
            sa.Integer(),
            nullable=False,
            comment="Input that the provider put into its prompt cache.",
        ),
        sa.Column(
            "cache_read_tokens",
            sa.Integer(),
            nullable=False,
            comment="Input that came from the provider's prompt cache.",
        ),
        sa.Column("output_tokens", sa.Integer(), nullable=False, comment="Output, reasoning included."),
        sa.Column(
            "reasoning_tokens",
            sa.Integer(),
            nullable=False,
            comment="The part of output_tokens that nobody sees. Already counted there: never add it.",
        ),
        sa.Column(
            "usage_source",
            sa.Text(collation="C"),
            nullable=False,
            comment="Who counted: provider; partial: what had arrived; estimate: our tokenizer; none: nothing served.",
        ),
        sa.Column(
            "cost_nanodollars",
            sa.BigInteger(),
            nullable=True,
            comment="What the call cost by our price book, in billionths of a US dollar. Null: no price was known.",
        ),
        sa.Column(
            "provider_cost_nanodollars",
            sa.BigInteger(),
            nullable=True,
            comment="What the provider says it cost, where it says so.",
        ),
        sa.Column(
            "price_version",
            sa.Text(),
            nullable=False,
            comment="Which prices were used: a version of the public price book, or override:<hash>.",
        ),
        sa.Column(
            "finish_reason",
            sa.Text(),
            nullable=True,
            comment="Why the model stopped: stop, length, tool_calls, content_filter.",
        ),
        sa.Column(
            "error_kind",
            sa.Text(collation="C"),
            nullable=True,
            comment="What went wrong, as one word of the router's failure table; null on success.",
        ),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=False, comment="When the job was accepted."),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False, comment="When the call was made."),
        sa.Column(
            "first_token_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When the first output token arrived; null when none did.",
        ),
        sa.Column(
            "ended_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="When the call ended. Roll-ups and reports count the call in this hour.",
        ),
        sa.Column(
            "queue_ms",
            sa.Integer(),
            sa.Computed("(extract(epoch from (started_at - accepted_at)) * 1000)::integer", persisted=True),
            nullable=False,
            comment="From acceptance to the start of this call. Of attempt 1 it is the time in the queue.",
        ),
        sa.Column(
            "first_token_ms",
            sa.Integer(),
            sa.Computed("(extract(epoch from (first_token_at - started_at)) * 1000)::integer", persisted=True),
            nullable=True,
            comment="From the start of the call to its first output token; null when none arrived.",
        ),
        sa.Column(
            "duration_ms",
            sa.Integer(),
            sa.Computed("(extract(epoch from (ended_at - started_at)) * 1000)::integer", persisted=True),
            nullable=False,
            comment="From the start of the call to its end.",
        ),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When this row was written.",
        ),
        sa.PrimaryKeyConstraint("job_id", "attempt", "keyed_at", name="usage_ledger_pkey"),
        comment="One row per call to a provider, failed and abandoned ones too. Written once, never changed.",
    )
    op.create_index("usage_ledger_ended_at_idx", "usage_ledger", ["ended_at"], postgresql_using="brin")
    op.execute("comment on table alembic_version is 'Which migrations this database has seen.'")


def downgrade() -> None:
    op.drop_table("usage_ledger")
