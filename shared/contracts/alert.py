"""A budget is spent up to some part: `sluice.alerts.v1`, keyed by tenant, an event for each part of each window."""

from typing import Literal

from pydantic import AwareDatetime, NonNegativeInt

from shared.contracts.base import WireModel

__all__ = ["BudgetAlert"]


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
