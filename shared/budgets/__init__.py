"""Budgets, as both sides of them see them: who reserves before a call, and who settles after it."""

from shared.budgets.reserving import Deployments, Need, worst_case
from shared.budgets.rules import BudgetRule, Use, all_rules_of, rule_of, rules_of
from shared.budgets.scripts import DROP, EXTEND, HOLD, OPEN, READ, SETTLE, STATE, Held, held_entry, parse_held

__all__ = [
    "DROP",
    "EXTEND",
    "HOLD",
    "OPEN",
    "READ",
    "SETTLE",
    "STATE",
    "BudgetRule",
    "Deployments",
    "Held",
    "Need",
    "Use",
    "all_rules_of",
    "held_entry",
    "parse_held",
    "rule_of",
    "rules_of",
    "worst_case",
]
