"""What the admin API takes and gives of budgets. Amounts are exact, and given as text."""

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import PlainSerializer, StrictBool

from services.ingress.api.admin.schemas import Asked, Given
from services.ingress.directory import BudgetRecord
from shared.clock import unix_seconds
from shared.config.budgets import Alerts, Dollars, Per
from shared.money import Nanodollars, dollars

__all__ = ["BudgetBody", "BudgetList", "BudgetObject"]

Told = Annotated[Decimal, PlainSerializer(lambda amount: f"{amount:f}", return_type=str, when_used="json")]
"""With all its zeros: left to itself, nothing would be `0E-9`."""


class BudgetBody(Asked):
    """How much; what of, its name says."""

    dollars: Dollars
    hard: StrictBool = True
    """Whether a request that might go over it is refused. Else there are alerts alone."""
    alerts: Alerts = (50, 80, 100)
    """An alert is raised once when so many percent are spent."""


class BudgetObject(Given):
    object: Literal["budget"] = "budget"
    tenant: str
    budget: str
    """Its name: what it is per, and what it is of."""
    per: Per
    team: str | None
    key: str | None
    model: str | None
    tag: str | None
    dollars: Told
    hard: bool
    alerts: list[int]
    time_zone: str
    set_by: Literal["sluice.yaml", "admin"]
    in_force: bool
    """False for the moment in which what was spent already is summed up."""
    period: str
    """The day or month that runs: the figures are of it."""
    spent_dollars: Told
    held_dollars: Told
    """What jobs that have not ended may still cost at most."""
    left_dollars: Told
    created_at: int
    changed_at: int

    @classmethod
    def of(cls, record: BudgetRecord) -> Self:
        rule = record.rule
        return cls(
            tenant=rule.tenant,
            budget=rule.name,
            per=rule.per,
            team=rule.team,
            key=rule.key,
            model=rule.model,
            tag="=".join(rule.tag) if rule.tag else None,
            dollars=dollars(rule.limit),
            hard=rule.hard,
            alerts=list(rule.alerts),
            time_zone=rule.time_zone,
            set_by="sluice.yaml" if record.by_file else "admin",
            in_force=record.in_force,
            period=record.period,
            spent_dollars=dollars(record.spent),
            held_dollars=dollars(record.held),
            left_dollars=dollars(Nanodollars(rule.limit - record.spent - record.held)),
            created_at=unix_seconds(record.created_at),
            changed_at=unix_seconds(record.changed_at),
        )


class BudgetList(Given):
    object: Literal["list"] = "list"
    data: list[BudgetObject]
    has_more: bool
