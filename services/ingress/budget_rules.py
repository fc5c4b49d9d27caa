"""Which budgets may bind a key? Those of the configuration, and those of the database as they were last read. Pure."""

from collections.abc import Collection, Mapping, Sequence

from shared.budgets import BudgetRule

__all__ = ["BudgetRules"]

_Rules = Sequence[BudgetRule]
_EVERY_KEY = None


class BudgetRules:
    """A tenant may have a budget for each of its thousand keys: a request looks at its own."""

    def __init__(self, configured: Mapping[str, _Rules]) -> None:
        """By tenant. A name that is used there has no other meaning in the database."""
        self._configured = configured
        self._tenants: dict[str, Mapping[str | None, _Rules]] = {}
        self.take_all({})

    def of(self, tenant: str, key: str) -> _Rules:
        found = self._tenants.get(tenant)
        return () if found is None else (*found.get(_EVERY_KEY, ()), *found.get(key, ()))

    def take(self, tenants: Collection[str], rules: Mapping[str, _Rules]) -> None:
        """From now on the database has these for these tenants, and for the others what it had."""
        for tenant in tenants:
            self._tenants[tenant] = self._sorted(tenant, rules.get(tenant, ()))

    def take_all(self, rules: Mapping[str, _Rules]) -> None:
        """From now on the database has these alone."""
        self._tenants = {tenant: self._sorted(tenant, rules.get(tenant, ())) for tenant in {*self._configured, *rules}}

    def _sorted(self, tenant: str, rules: _Rules) -> Mapping[str | None, _Rules]:
        configured = self._configured.get(tenant, ())
        taken = {rule.name for rule in configured}
        found: dict[str | None, list[BudgetRule]] = {}
        for rule in (*configured, *(each for each in rules if each.name not in taken)):
            found.setdefault(rule.key, []).append(rule)
        return found
