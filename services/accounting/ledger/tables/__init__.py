"""What accounting keeps in PostgreSQL, one table a file. The migrations build exactly this; a test compares them."""

from services.accounting.ledger.tables.consumed_offsets import consumed_offsets
from services.accounting.ledger.tables.jobs import jobs
from services.accounting.ledger.tables.metadata import metadata
from services.accounting.ledger.tables.usage_hourly import DIMENSIONS, MEASURES, usage_hourly
from services.accounting.ledger.tables.usage_ledger import usage_ledger

__all__ = ["DIMENSIONS", "MEASURES", "consumed_offsets", "jobs", "metadata", "usage_hourly", "usage_ledger"]
