"""The roll-up that the views read: as `usage_hourly`, by day."""

from sqlalchemy import Column, Date, Table

from services.accounting.ledger.tables.metadata import ROOM_TO_UPDATE, metadata
from services.accounting.ledger.tables.roll_up import roll_up_columns

__all__ = ["usage_daily"]

usage_daily = Table(
    "usage_daily",
    metadata,
    Column("day", Date, primary_key=True, comment="The day (UTC) on which the calls ended."),
    *roll_up_columns(),
    comment="The ledger summed by day. Always equal to the ledger: both are written in one transaction.",
    postgresql_with=ROOM_TO_UPDATE,
)
