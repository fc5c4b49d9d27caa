"""A row per job."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "jobs",
        sa.Column(
            "job_id",
            sa.Text(collation="C"),
            nullable=False,
            comment="job_<32 hex digits>; ids sort by time of acceptance.",
        ),
        sa.Column(
            "tenant",
            sa.Text(collation="C"),
            nullable=False,
            comment="Whose job it is. Every read for a caller must ask for its tenant too.",
        ),
        sa.Column(
            "caller", sa.Text(collation="C"), nullable=False, comment="The id of the API key, unique within its tenant."
        ),
        sa.Column(
            "custom_id", sa.Text(), nullable=True, comment="The submitter's own name for it; null when none was given."
        ),
        sa.Column("lane", sa.Text(collation="C"), nullable=False, comment="interactive or batch."),
        sa.Column(
            "feature",
            sa.Text(),
            nullable=True,
            comment="The feature of the product that asked; null when none was named.",
        ),
        sa.Column("model_asked", sa.Text(), nullable=False, comment="The model the caller asked for."),
        sa.Column(
            "status",
            sa.Text(collation="C"),
            nullable=False,
            comment="queued until it has ended, then succeeded, failed, cancelled or expired, for ever.",
        ),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=False, comment="When it was accepted."),
        sa.Column(
            "door",
            sa.Text(collation="C"),
            nullable=True,
            comment="How it came in: chat, jobs or topic. Null until the record of its acceptance is here.",
        ),
        sa.Column(
            "endpoint", sa.Text(), nullable=True, comment="The OpenAI endpoint it speaks to. From the acceptance."
        ),
        sa.Column(
            "end_user",
            sa.Text(),
            nullable=True,
            comment="The end user as the request named it in `user`. From the acceptance.",
        ),
        sa.Column(
            "tags",
            postgresql.JSONB(),
            nullable=True,
            comment="Free labels of the request, text to text. From the acceptance.",
        ),
        sa.Column(
            "streamed",
            sa.Boolean(),
            nullable=True,
            comment="Whether its tokens went into the job log. From the acceptance.",
        ),
        sa.Column(
            "on_interrupt",
            sa.Text(collation="C"),
            nullable=True,
            comment="restart, fail or continue. From the acceptance.",
        ),
        sa.Column(
            "input_tokens",
            sa.Integer(),
            nullable=True,
            comment="Its input as counted before it was queued. From the acceptance.",
        ),
        sa.Column(
            "deadline", sa.DateTime(timezone=True), nullable=True, comment="When it expires. From the acceptance."
        ),
        sa.Column(
            "request",
            sa.JSON(),
            nullable=True,
            comment="The body as the caller sent it. Null when retention.content is off. From the acceptance.",
        ),
        sa.Column(
            "model_served",
            sa.Text(),
            nullable=True,
            comment="The model that answered, as the provider named it. From the end.",
        ),
        sa.Column(
            "response",
            sa.JSON(),
            nullable=True,
            comment="The chat.completion object, or what had arrived of it; null when retention.content is off.",
        ),
        sa.Column(
            "error",
            postgresql.JSONB(),
            nullable=True,
            comment="status_code, message, type, code and param, as an OpenAI client reads them. From the end.",
        ),
        sa.Column("finish_reason", sa.Text(), nullable=True, comment="Why the model stopped. From the end."),
        sa.Column(
            "uncached_input_tokens",
            sa.Integer(),
            nullable=True,
            comment="Input at full price, of all attempts. From the end.",
        ),
        sa.Column(
            "cache_write_tokens",
            sa.Integer(),
            nullable=True,
            comment="Input put into a prompt cache, of all attempts. From the end.",
        ),
        sa.Column(
            "cache_read_tokens",
            sa.Integer(),
            nullable=True,
            comment="Input from a prompt cache, of all attempts. From the end.",
        ),
        sa.Column(
            "output_tokens",
            sa.Integer(),
            nullable=True,
            comment="Output, reasoning included, of all attempts. From the end.",
        ),
        sa.Column(
            "reasoning_tokens",
            sa.Integer(),
            nullable=True,
            comment="The part of output_tokens that nobody sees. From the end.",
        ),
        sa.Column(
            "attempts",
            postgresql.JSONB(),
            nullable=True,
            comment="Its calls: attempt, provider, deployment, status, error_kind, started_at, ended_at. From the end.",
        ),
        sa.Column(
            "route",
            postgresql.JSONB(),
            nullable=True,
            comment="A list of the deployments that could have served it, in the order planned. From the end.",
        ),
        sa.Column(
            "epoch",
            sa.Integer(),
            nullable=True,
            comment="The fencing number under which it ended; above 1 it was taken over. From the end.",
        ),
        sa.Column(
            "started_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When a worker began it; null when none ever did. From the end.",
        ),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True, comment="When it ended; null until then."),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When this row was first written.",
        ),
        sa.PrimaryKeyConstraint("job_id", name="jobs_pkey"),
        comment="One row per accepted job; its cost is in job_costs. The ingress reads any column of both, by tenant.",
    )
    op.create_index("jobs_tenant_job_id_idx", "jobs", ["tenant", "job_id"])


def downgrade() -> None:
    op.drop_table("jobs")
