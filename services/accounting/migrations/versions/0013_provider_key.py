"""With which of its provider's keys a call was made."""

from typing import Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_KEY: Final = (
    "Which of the provider's keys was used, by its name in sluice.yaml or its place there; null where it has one."
)
_CALLS: Final = "Its calls: attempt, provider, deployment, status, error_kind, started_at, ended_at. From the end."
_CALLS_NOW: Final = _CALLS.replace("provider, deployment", "provider, provider_key, deployment")


def upgrade() -> None:
    op.add_column("usage_ledger", sa.Column("provider_key", sa.Text(), nullable=True, comment=_KEY))
    _say_of_calls(_CALLS_NOW, _CALLS)


def downgrade() -> None:
    op.drop_column("usage_ledger", "provider_key")
    _say_of_calls(_CALLS, _CALLS_NOW)


def _say_of_calls(comment: str, before: str) -> None:
    op.alter_column("jobs", "attempts", existing_type=postgresql.JSONB(), comment=comment, existing_comment=before)
