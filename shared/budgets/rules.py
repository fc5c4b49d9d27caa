"""Which budgets bind a job, and which window of each does it count in? Pure.

A job counts in the window in which it was submitted: that is the one in which its money was reserved. What it costs
settles there as well, however late it ends.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from shared.config.budgets import Budget, Per
from shared.config.schema import Config, Tenant
from shared.money import Nanodollars, nanodollars

__all__ = ["BudgetRule", "Use", "all_rules_of", "rule_of", "rules_of"]

_PERIOD: Final[Mapping[str, str]] = {"day": "%Y-%m-%d", "month": "%Y-%m", "total": "total"}


@dataclass(frozen=True, slots=True)
class Use:
    """What of a job decides which budgets bind it."""

    key: str
    model: str
    team: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BudgetRule:
    tenant: str
    name: str
    """Unique within the tenant."""
    per: Per
    time_zone: str
    limit: Nanodollars
    hard: bool = True
    alerts: tuple[int, ...] = ()
    """Percents of the limit."""
    team: str | None = None
    key: str | None = None
    model: str | None = None
    tag: tuple[str, str] | None = None

    def binds(self, use: Use) -> bool:
        return (
            self.team in (None, use.team)
            and self.key in (None, use.key)
            and self.model in (None, use.model)
            and (self.tag is None or use.tags.get(self.tag[0]) == self.tag[1])
        )

    def period(self, at: datetime) -> str:
        """`2026-11-21`, `2026-11` or `total`: by the calendar of the tenant, whatever its clocks do at midnight."""
        return f"{at.astimezone(ZoneInfo(self.time_zone)):{_PERIOD[self.per]}}"

    def window(self, at: datetime) -> str:
        """Unique within the tenant: this budget, in that period."""
        return f"{self.period(at)} {self.name}"

    def ends(self, at: datetime) -> datetime | None:
        """When the window begins anew that `at` is in; None when it never does."""
        if self.per == "total":
            return None
        local = at.astimezone(ZoneInfo(self.time_zone))
        following = local.replace(hour=0, minute=0, second=0, microsecond=0)
        if self.per == "month":
            following = following.replace(day=28) + timedelta(days=4)
            return following.replace(day=1).astimezone(UTC)
        return (following + timedelta(days=1)).astimezone(UTC)


def rules_of(config: Config) -> dict[str, tuple[BudgetRule, ...]]:
    """By tenant; those that have none are left out."""
    return {name: _rules(name, tenant) for name, tenant in config.tenants.items() if tenant.budgets}


def all_rules_of(config: Config) -> tuple[BudgetRule, ...]:
    return tuple(rule for rules in rules_of(config).values() for rule in rules)


def _rules(name: str, tenant: Tenant) -> tuple[BudgetRule, ...]:
    return tuple(rule_of(name, tenant.time_zone, budget) for budget in tenant.budgets)


def rule_of(tenant: str, time_zone: str, budget: Budget) -> BudgetRule:
    label, _, value = (budget.tag or "").partition("=")
    return BudgetRule(
        tenant=tenant,
        name=budget.name,
        per=budget.per,
        time_zone=time_zone,
        limit=nanodollars(budget.dollars),
        hard=budget.hard,
        alerts=tuple(sorted(set(budget.alerts))),
        team=budget.team,
        key=budget.key,
        model=budget.model,
        tag=(label, value) if budget.tag else None,
    )
