"""What somebody should look at: `sluice.alerts.v1`. A budget is spent up to some part, an event for each part of each
window, keyed by tenant; or the books do not agree, keyed by `-`.
"""

from typing import Literal

from pydantic import AwareDatetime, NonNegativeInt, PositiveInt

from shared.contracts.base import WireModel

__all__ = ["Alert", "AuditAlert", "BudgetAlert"]


class BudgetAlert(WireModel):
    schema_version: Literal[1] = 1
    id: str
    """The same whenever the event is sent again."""
    type: Literal["budget.alert"] = "budget.alert"
    tenant: str
    budget: str
    """Its name, such as `month team=research`."""
    period: str
    """The day or month of the tenant's calendar, or `total`."""
    percent: int
    """So much of the limit is spent, or more."""
    limit_nanodollars: NonNegativeInt
    spent_nanodollars: NonNegativeInt
    hard: bool
    """Whether requests are refused when all of it is spent."""
    raised_at: AwareDatetime


class AuditAlert(WireModel):
    """The nightly audit has found differences; the table `usage_audits` names them."""

    schema_version: Literal[1] = 1
    id: str
    """The same whenever the event is sent again."""
    type: Literal["books.alert"] = "books.alert"
    since: AwareDatetime
    """Compared was what ended from then on …"""
    until: AwareDatetime
    """… and before then."""
    differences: PositiveInt
    """How many were found; of a kind no more than a thousand are looked for."""
    between: tuple[str, ...]
    """Which pairs of books differ, such as `usage_ledger, usage_hourly`."""
    raised_at: AwareDatetime


Alert = BudgetAlert | AuditAlert
