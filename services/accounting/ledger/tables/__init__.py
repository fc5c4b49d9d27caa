"""What Sluice keeps in PostgreSQL, a file for each table, or for those that belong together.

The migrations build exactly this; a test compares them.
"""

from services.accounting.ledger.tables.analyst_access import analyst_access
from services.accounting.ledger.tables.audit_log import audit_log, audit_pending, audit_published
from services.accounting.ledger.tables.budgets import budget_alerts, budget_changes, budget_spend, budgets
from services.accounting.ledger.tables.consumed_offsets import consumed_offsets
from services.accounting.ledger.tables.directory import api_keys, directory_version, teams, tenants
from services.accounting.ledger.tables.jobs import jobs
from services.accounting.ledger.tables.latency_daily import latency_daily
from services.accounting.ledger.tables.metadata import metadata
from services.accounting.ledger.tables.price_changes import price_changes
from services.accounting.ledger.tables.usage_audits import usage_audits
from services.accounting.ledger.tables.usage_daily import usage_daily
from services.accounting.ledger.tables.usage_hourly import DIMENSIONS, MEASURES, usage_hourly
from services.accounting.ledger.tables.usage_ledger import usage_ledger

__all__ = [
    "DIMENSIONS",
    "MEASURES",
    "analyst_access",
    "api_keys",
    "audit_log",
    "audit_pending",
    "audit_published",
    "budget_alerts",
    "budget_changes",
    "budget_spend",
    "budgets",
    "consumed_offsets",
    "directory_version",
    "jobs",
    "latency_daily",
    "metadata",
    "price_changes",
    "teams",
    "tenants",
    "usage_audits",
    "usage_daily",
    "usage_hourly",
    "usage_ledger",
]
