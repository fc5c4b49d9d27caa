"""The hourly roll-up of the ledger, and how far the topics have been written."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "usage_hourly",
        sa.Column(
            "hour",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="The beginning (UTC) of the hour in which the calls ended.",
        ),
        sa.Column("tenant", sa.Text(collation="C"), nullable=False, comment="Who pays."),
        sa.Column(
            "caller", sa.Text(collation="C"), nullable=False, comment="The id of the API key, unique within its tenant."
        ),
        sa.Column("model_asked", sa.Text(), nullable=False, comment="The model the callers asked for."),
        sa.Column(
            "model_served", sa.Text(), nullable=False, comment="The model as the provider named it; empty: no answer."
        ),
        sa.Column("provider", sa.Text(collation="C"), nullable=False, comment="The provider's name in sluice.yaml."),
        sa.Column("deployment", sa.Text(), nullable=False, comment="The deployment that was called."),
        sa.Column("lane", sa.Text(collation="C"), nullable=False, comment="interactive or batch."),
        sa.Column("feature", sa.Text(), nullable=False, comment="The feature that asked; empty: none was named."),
        sa.Column(
            "status", sa.Text(collation="C"), nullable=False, comment="succeeded, failed, cancelled or abandoned."
        ),
        sa.Column("attempts", sa.BigInteger(), nullable=False, comment="Calls to the provider."),
        sa.Column(
            "uncached_input_tokens",
            sa.BigInteger(),
            nullable=False,
            comment="Input at full price. The four buckets are disjoint.",
        ),
        sa.Column(
            "cache_write_tokens",
            sa.BigInteger(),
            nullable=False,
            comment="Input that the provider put into its prompt cache.",
        ),
        sa.Column(
            "cache_read_tokens",
            sa.BigInteger(),
            nullable=False,
            comment="Input that came from the provider's prompt cache.",
        ),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False, comment="Output, reasoning included."),
        sa.Column(
            "reasoning_tokens", sa.BigInteger(), nullable=False, comment="The part of output_tokens that nobody sees."
        ),
        sa.Column(
            "cost_nanodollars",
            sa.BigInteger(),
            nullable=False,
            comment="The cost of the calls with a known price, in billionths of a US dollar.",
        ),
        sa.Column(
            "unpriced_attempts",
            sa.BigInteger(),
            nullable=False,
            comment="Calls without a known price; above 0 the cost is a lower bound.",
        ),
        sa.Column(
            "unpriced_tokens",
            sa.BigInteger(),
            nullable=False,
            comment="The tokens, of all four buckets, of the calls without a known price.",
        ),
        sa.Column(
            "provider_cost_nanodollars",
            sa.BigInteger(),
            nullable=False,
            comment="What the providers say the calls cost, summed where they say so.",
        ),
        sa.Column(
            "queue_ms",
            sa.BigInteger(),
            nullable=False,
            comment="Sum of the ledger's queue_ms; divide by attempts for the mean.",
        ),
        sa.Column(
            "duration_ms",
            sa.BigInteger(),
            nullable=False,
            comment="Sum of the ledger's duration_ms; divide by attempts for the mean.",
        ),
        sa.Column(
            "first_token_ms",
            sa.BigInteger(),
            nullable=False,
            comment="Sum of the ledger's first_token_ms; divide by first_tokens for the mean.",
        ),
        sa.Column("first_tokens", sa.BigInteger(), nullable=False, comment="Calls in which an output token arrived."),
        sa.PrimaryKeyConstraint(
            "hour",
            "tenant",
            "caller",
            "model_asked",
            "model_served",
            "provider",
            "deployment",
            "lane",
            "feature",
            "status",
            name="usage_hourly_pkey",
        ),
        comment="The ledger summed by hour. Always equal to the ledger: both are written in one transaction.",
    )
    op.create_table(
        "consumed_offsets",
        sa.Column("topic", sa.Text(collation="C"), nullable=False, comment="The Kafka topic."),
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False, comment="Its partition."),
        sa.Column(
            "next_offset",
            sa.BigInteger(),
            nullable=False,
            comment="Every record before this offset is in the database or in the dead letters.",
        ),
        sa.Column(
            "moved_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When it last moved.",
        ),
        sa.PrimaryKeyConstraint("topic", "partition", name="consumed_offsets_pkey"),
        comment="How far each topic has been recorded. For seeing, not for seeking: the rows are idempotent.",
    )


def downgrade() -> None:
    op.drop_table("consumed_offsets")
    op.drop_table("usage_hourly")
