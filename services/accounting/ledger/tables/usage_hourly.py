"""The roll-up that reports and dashboards read: the ledger summed by hour and by everything worth grouping by."""

from sqlalchemy import Column, Table

from services.accounting.ledger.tables.metadata import ROOM_TO_UPDATE, Moment, metadata
from services.accounting.ledger.tables.roll_up import roll_up_columns

__all__ = ["DIMENSIONS", "MEASURES", "usage_hourly"]

usage_hourly = Table(
    "usage_hourly",
    metadata,
    Column("hour", Moment, primary_key=True, comment="The beginning (UTC) of the hour in which the calls ended."),
    *roll_up_columns(),
    comment="The ledger summed by hour. Always equal to the ledger: both are written in one transaction.",
    postgresql_with=ROOM_TO_UPDATE,
)

DIMENSIONS = tuple(column.name for column in usage_hourly.primary_key)
MEASURES = tuple(column.name for column in usage_hourly.columns if not column.primary_key)
