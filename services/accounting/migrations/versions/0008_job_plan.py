"""Why each deployment was asked for a job, or not."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "jobs",
        sa.Column(
            "plan",
            postgresql.JSONB(),
            nullable=True,
            comment="Of each deployment: deployment, model, verdict (asked, spare, skipped), reason. From the end.",
        ),
    )


def downgrade() -> None:
    op.drop_column("jobs", "plan")
