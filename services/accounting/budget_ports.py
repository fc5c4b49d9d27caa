"""What settling needs from the world: what is true of budgets, and the books that admission goes by.

Whatever is away raises `ports.AwayError`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from shared.budgets import BudgetRule, Held
from shared.money import Nanodollars

__all__ = [
    "BookNames",
    "BudgetBooks",
    "BudgetLedger",
    "Figure",
    "HardBudgets",
    "HeldJobs",
    "RuleLedger",
    "Settled",
]


class Figure(NamedTuple):
    """What is spent in one window of a tenant's budgets."""

    window: str
    spent_nanodollars: int
    revision: int
    """Larger than that of any figure before."""


@dataclass(frozen=True, slots=True)
class Settled:
    """Of one tenant."""

    figures: tuple[Figure, ...]
    jobs: tuple[str, ...] = ()
    """Those that have ended, and whose cost is in the figures."""


@dataclass(frozen=True, slots=True)
class HardBudgets:
    """Of one tenant."""

    limits: Mapping[str, Nanodollars]
    """By their names, of those that have their sums."""
    unbegun: frozenset[str]
    """Those that have not."""
    opened: bool
    """Whether anything was ever held of them."""


@dataclass(frozen=True, slots=True)
class HeldJobs:
    """Of jobs that hold something; those in neither are unknown to the ledger."""

    settled: frozenset[str]
    waiting: frozenset[str]


class BookNames(NamedTuple):
    """What a book knows of."""

    budgets: frozenset[str]
    windows: frozenset[str]


class RuleLedger(Protocol):
    """Where budgets are made. Both block for the database and raise AwayError; then nothing has changed."""

    async def write(self, rules: Collection[BudgetRule]) -> None:
        """Afterwards the budgets of the configuration are these. Raises UnstorableError, too."""
        ...

    async def begin(self) -> None:
        """Afterwards each new budget has the sum of what the ledger has of it, unless it was changed meanwhile."""
        ...


class BudgetLedger(Protocol):
    """What is true of budgets. Every method blocks for the database and raises AwayError."""

    async def hard(self) -> Mapping[str, HardBudgets]:
        """Of every tenant that has any."""
        ...

    async def coming(self) -> Collection[str]:
        """Tenants who have budgets, soft ones too, that have their sums and are not in force yet."""
        ...

    async def in_force(self, tenant: str, known: Collection[str]) -> None:
        """From now on admission goes by those of them that have their sums: by these hard ones, and all soft ones."""
        ...

    async def opened(self, tenants: Collection[str]) -> None:
        """From now on something may be held of their budgets."""
        ...

    async def settle(self, tenants: Collection[str], jobs: Collection[str]) -> Mapping[str, Settled]:
        """Afterwards those of the jobs are settled that have ended and whose cost is in the ledger. All tenants are in
        the answer, with the figures of what these jobs held, and of what else has moved lately."""
        ...

    async def figures(self, tenant: str) -> Sequence[Figure]:
        """Of all hard budgets that have their sums."""
        ...

    async def held(self, tenant: str) -> Mapping[str, Held]:
        """What the tenant's jobs hold that are not settled: as they were accepted, and as much again for each of their
        calls in the ledger that has cost something."""
        ...

    async def known(self, jobs: Collection[str]) -> HeldJobs: ...


class BudgetBooks(Protocol):
    """What admission goes by. Every method blocks for Redis and raises AwayError."""

    async def open_ones(self, tenants: Sequence[str]) -> frozenset[str]:
        """Of these tenants, those whose book is open."""
        ...

    async def settle(
        self, tenant: str, limits: Mapping[str, Nanodollars], settled: Settled, missing: Mapping[str, Held]
    ) -> bool:
        """Write the figures, drop what the settled jobs hold, and add what is missing. False: it is not open."""
        ...

    async def open(
        self, tenant: str, limits: Mapping[str, Nanodollars], figures: Sequence[Figure], held: Mapping[str, Held]
    ) -> None:
        """Afterwards the book is open, with exactly this in it, unless it was open before."""
        ...

    async def holds(self, tenant: str) -> Mapping[str, Held]: ...

    async def names(self, tenant: str) -> BookNames: ...

    async def forget(self, tenant: str, names: BookNames) -> None:
        """Afterwards the book does not know these budgets, nor what is spent in these windows. What is held stays."""
        ...

    async def announce(self) -> None:
        """Whoever admits learns at once that other budgets are in force."""
        ...
