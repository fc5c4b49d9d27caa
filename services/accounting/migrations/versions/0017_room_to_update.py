"""Room in the pages of the sums, so that to add to a row touches no index and leaves nothing to clean up."""

from typing import Final

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_SUMS: Final = ("usage_hourly", "usage_daily", "latency_daily")

_PERCENT: Final = 45
"""A batch may add to every row of a page, and what a row was stays until the batch is written: both must fit. Then the
new one is found by the same entries of the index, and its page is tidied by whoever reads it next."""


def upgrade() -> None:
    """For pages to come: what is written stays where it is."""
    for table in _SUMS:
        op.execute(f"alter table {table} set (fillfactor = {_PERCENT})")


def downgrade() -> None:
    for table in _SUMS:
        op.execute(f"alter table {table} reset (fillfactor)")
