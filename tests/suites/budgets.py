"""Budgets for tests: rules, and a book in memory that does what the Lua in `shared/budgets/scripts.py` does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from services.ingress.admission import Short
from services.ingress.ports import Dependency, UnavailableError
from services.ingress.spending import Pricing, Spending
from shared.budgets import BudgetRule, Deployments
from shared.clock import utc_now
from shared.config.budgets import Budgets
from shared.config.schema import Config
from shared.contracts import Reserved
from shared.ids import JobId
from shared.money import NANOS_PER_DOLLAR, Nanodollars
from shared.prices import Prices, Quote, Rate

DOLLAR = NANOS_PER_DOLLAR


def a_rule(name: str = "month", *, dollars: float = 1, **fields: object) -> BudgetRule:
    rule = BudgetRule("acme", name, "month", "UTC", Nanodollars(int(dollars * DOLLAR)))
    return replace(rule, **fields)  # type: ignore[arg-type]


@dataclass(slots=True)
class Book:
    """One tenant's, as the scripts keep it."""

    is_open: bool = True
    known: set[str] = field(default_factory=set)
    spent: dict[str, int] = field(default_factory=dict)
    revisions: dict[str, int] = field(default_factory=dict)
    holds: dict[str, tuple[int, tuple[str, ...]]] = field(default_factory=dict)

    def held(self, window: str) -> int:
        return sum(amount for amount, windows in self.holds.values() if window in windows)

    def hold(self, job: str, amount: int, asked: Sequence[tuple[str, str, int]]) -> list[tuple[int, int, int]] | None:
        """`asked`: windows, budgets, limits. Returns number, spent and held of those too small; None: nobody knows."""
        if not self.is_open:
            return None
        if job in self.holds:
            return []
        if any(budget not in self.known for _, budget, _ in asked):
            return None
        short = [
            (number, self.spent.get(window, 0), self.held(window))
            for number, (window, _, limit) in enumerate(asked)
            if self.spent.get(window, 0) + self.held(window) + amount > limit
        ]
        if not short:
            self.holds[job] = (amount, tuple(window for window, _, _ in asked))
        return short

    def settle(
        self,
        budgets: Sequence[str],
        figures: Sequence[tuple[str, int, int]],
        jobs: Sequence[str],
        missing: Mapping[str, tuple[int, tuple[str, ...]]],
    ) -> bool:
        if not self.is_open:
            return False
        for window, spent, revision in figures:
            if revision >= self.revisions.get(window, -1):
                self.spent[window], self.revisions[window] = spent, revision
        self.known |= set(budgets)
        for job in jobs:
            self.holds.pop(job, None)
        for job, held in missing.items():
            self.holds.setdefault(job, held)
        return True


class MemoryBook:
    """`ports.BudgetBook` of ingress."""

    def __init__(self, *known: str) -> None:
        self.book = Book(known=set(known))
        self.away = False

    async def hold(self, job: JobId, reserved: Reserved, rules: Sequence[BudgetRule]) -> Sequence[Short]:
        if self.away:
            raise UnavailableError(Dependency.REDIS, "gone for lunch")
        asked = [(window, rule.name, rule.limit) for window, rule in zip(reserved.windows, rules, strict=True)]
        short = self.book.hold(job, reserved.nanodollars, asked)
        if short is None:
            raise UnavailableError(Dependency.REDIS, "nobody knows what was spent")
        return [Short(rules[number], spent, held) for number, spent, held in short]

    async def drop(self, tenant: str, job: JobId) -> None:
        if self.away:
            raise UnavailableError(Dependency.REDIS, "gone for lunch")
        self.book.holds.pop(job, None)


class FlatPrices:
    """A dollar per million tokens of input, two of output, for every model but `unpriced`."""

    def quote(self, provider: str, model: str, at: datetime, tier: str | None = None) -> Quote:
        if model == "unpriced":
            return Quote("flat", None)
        one, two = Rate(Nanodollars(DOLLAR)), Rate(Nanodollars(2 * DOLLAR))
        return Quote("flat", Prices(one, one, one, two))


CONFIG = Config.model_validate(
    {
        "providers": {"one": {"base_url": "http://127.0.0.1:9/v1"}},
        "models": {
            "gpt-4o": {"deployments": [{"provider": "one"}]},
            "gpt-4o-mini": {"deployments": [{"provider": "one"}, {"provider": "one", "model": "unpriced"}]},
            "org/model": {"deployments": [{"provider": "one"}]},
        },
    }
)


def bound(book: MemoryBook, *rules: BudgetRule, **terms: object) -> Spending:
    """By these rules, of whatever tenants."""
    pricing = Pricing(FlatPrices(), Deployments(CONFIG), {"gpt-4o": 4096, "gpt-4o-mini": None})

    def rules_of(tenant: str, _key: str) -> Sequence[BudgetRule]:
        return [rule for rule in rules if rule.tenant == tenant]

    return Spending(rules_of, book, lambda: pricing, Budgets.model_validate(terms), utc_now)


def unbound() -> Spending:
    return bound(MemoryBook())
