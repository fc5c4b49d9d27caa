"""What the nightly audits have found."""

from typing import Any, Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_MOMENT: Final = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "usage_audits",
        sa.Column("begun_at", _MOMENT, nullable=False, comment="When it began."),
        _fact("ended_at", _MOMENT, "When it ended."),
        _fact("audited_from", _MOMENT, "Compared are the calls and jobs that ended from then on ..."),
        _fact("audited_to", _MOMENT, "... and before then."),
        _fact("events", sa.BigInteger(), "Calls, as the usage topic tells of them."),
        _fact("results", sa.BigInteger(), "Ends of jobs, as the results topic tells of them."),
        _fact("waiting", sa.BigInteger(), "Calls that were not recorded yet, which is no difference."),
        _fact(
            "reaches_back",
            sa.Boolean(),
            "Whether the usage topic had it all; else rows without an event are not looked for.",
        ),
        _fact("differences", sa.Integer(), "How many were found; of a kind no more than a thousand are looked for."),
        _fact(
            "found",
            postgresql.JSONB(),
            "The differences: between which two, of what, what the first says, and the second.",
        ),
        sa.Column(
            "told_at",
            _MOMENT,
            nullable=True,
            comment="When topic and webhook had the alert; null: not yet, or there was nothing to tell.",
        ),
        sa.PrimaryKeyConstraint("begun_at", name="usage_audits_pkey"),
        comment="What the nightly audits have found; no differences are expected.",
    )
    op.create_index(
        "usage_audits_untold_idx",
        "usage_audits",
        ["begun_at"],
        postgresql_where=sa.text("told_at IS NULL AND differences > 0"),
    )


def downgrade() -> None:
    op.drop_table("usage_audits")


def _fact(name: str, kind: TypeEngine[Any], comment: str) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False, comment=comment)
