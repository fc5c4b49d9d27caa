"""Which budgets may bind a key? Those of the configuration, and those of the database as they were last read. Pure.

A hard budget that is new in a configuration that was read again, or was made another one there, binds as soon as the
database says that it is in force: before, nobody knows what is spent of it, and every request would have to be refused.
Until then that binds which was in its place. Those that a process starts with bind at once.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from shared.budgets import BudgetRule

__all__ = ["BudgetRules", "BudgetsInForce"]

_Rules = Sequence[BudgetRule]
_EVERY_KEY = None


class BudgetsInForce(NamedTuple):
    """Of one tenant, as the database says."""

    configured: _Rules = ()
    made: _Rules = ()
    """By administrators."""


class BudgetRules:
    """A tenant may have a budget for each of its thousand keys: a request looks at its own."""

    def __init__(self, configured: Mapping[str, _Rules]) -> None:
        """By tenant. A name that is used there has no other meaning in the database."""
        self._configured = configured
        self._binding = dict(configured)
        """Of those of the configuration, or in their place."""
        self._database: dict[str, BudgetsInForce] = {}
        self._tenants: dict[str, Mapping[str | None, _Rules]] = {}
        self.take_all({})

    def of(self, tenant: str, key: str) -> _Rules:
        found = self._tenants.get(tenant)
        return () if found is None else (*found.get(_EVERY_KEY, ()), *found.get(key, ()))

    def go_by(self, configured: Mapping[str, _Rules]) -> None:
        """From now on the configuration has these."""
        before, self._configured = self._configured, configured
        self._sort({*before, *configured})

    def take(self, tenants: Collection[str], rules: Mapping[str, BudgetsInForce]) -> None:
        """From now on the database has these for these tenants, and for the others what it had."""
        for tenant in tenants:
            self._database[tenant] = rules.get(tenant, BudgetsInForce())
        self._sort(tenants)

    def take_all(self, rules: Mapping[str, BudgetsInForce]) -> None:
        """From now on the database has these alone."""
        before, self._database = self._database, dict(rules)
        self._sort({*before, *rules, *self._configured})

    def _sort(self, tenants: Collection[str]) -> None:
        for tenant in tenants:
            self._binding[tenant] = tuple(self._those_that_bind(tenant))
            self._tenants[tenant] = self._by_key(tenant)

    def _those_that_bind(self, tenant: str) -> Iterator[BudgetRule]:
        before = {rule.name: rule for rule in self._binding.get(tenant, ())}
        in_force = self._database.get(tenant, BudgetsInForce()).configured
        for rule in self._configured.get(tenant, ()):
            old = before.get(rule.name)
            if rule in in_force or not rule.hard or (old is not None and _counts_alike(old, rule)):
                yield rule
            elif old is not None:
                yield old

    def _by_key(self, tenant: str) -> Mapping[str | None, _Rules]:
        taken = {rule.name for rule in self._configured.get(tenant, ())}
        made = self._database.get(tenant, BudgetsInForce()).made
        found: dict[str | None, list[BudgetRule]] = {}
        for rule in (*self._binding[tenant], *(each for each in made if each.name not in taken)):
            found.setdefault(rule.key, []).append(rule)
        return found


def _counts_alike(old: BudgetRule, rule: BudgetRule) -> bool:
    """Then the book knows what is spent of it, whatever its limit is."""
    return old.hard and old.time_zone == rule.time_zone
