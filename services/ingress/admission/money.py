"""What does a job ask of its tenant's hard budgets, and what is said when there is not enough?"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from services.ingress.admission.refusal import Reason, Refused
from shared.budgets import BudgetRule
from shared.money import Nanodollars, dollars

__all__ = ["Demand", "Short", "exhausted", "not_enough"]

_HELD_RETRY: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Demand:
    rules: Sequence[BudgetRule]
    """The hard ones that bind it, at least one."""
    nanodollars: Nanodollars | None
    """What it may cost at most; None when nobody knows."""
    refused_without_price: bool = True
    longest_answer: int | None = None
    """In tokens: what its answer has to be kept to, where neither the request nor its model does that."""


@dataclass(frozen=True, slots=True)
class Short:
    """A window that has not enough left."""

    rule: BudgetRule
    spent: int
    held: int
    """By jobs that have not ended yet, and may cost less."""


def not_enough(demand: Demand, short: Sequence[Short], now: datetime) -> Refused:
    """Of several windows that one is told which takes longest."""
    need = demand.nanodollars or 0
    spent = [each for each in short if each.spent + need > each.rule.limit]
    first = (spent or short)[0]
    if spent:
        return exhausted(demand, first.rule, now, first.spent)
    return Refused(
        Reason.INSUFFICIENT_QUOTA,
        f"{_budget(first.rule)} is held by jobs under way: {_told(first.spent)} are spent, {_told(first.held)} held, "
        f"and this request may cost {_told(need)}.",
        retry_after=_HELD_RETRY,
    )


def exhausted(demand: Demand, rule: BudgetRule, now: datetime, spent: int = 0) -> Refused:
    ends = rule.ends(now)
    anew = f" It begins anew at {ends.isoformat(timespec='minutes')}." if ends else ""
    return Refused(
        Reason.INSUFFICIENT_QUOTA,
        f"You exceeded your current quota. {_budget(rule)} has not enough left: {_told(spent)} are spent, "
        f"and this request may cost {_told(demand.nanodollars or 0)}.{anew}",
    )


def _budget(rule: BudgetRule) -> str:
    return f"The budget '{rule.name}' of {_told(rule.limit)}"


def _told(amount: int) -> str:
    """To the cent, or as exact as it must be to be anything."""
    exact = dollars(Nanodollars(amount))
    return f"${exact:.2f}" if exact == 0 or exact >= 1 else f"${exact.normalize():f}"
