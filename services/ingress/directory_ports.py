"""What ingress needs of the database about who may ask: for the doors, which read it, and for administrators."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol, TypeVar

from services.ingress.budget_rules import BudgetsInForce
from services.ingress.directory import BudgetRecord, Changes, KeyRecord, StoredKey
from shared.config.budgets import Budget

__all__ = [
    "BudgetDesk",
    "BudgetDirectory",
    "DirectoryOf",
    "KeyDirectory",
    "TakenError",
    "UnknownNameError",
]

Record = TypeVar("Record")


class TakenError(Exception):
    """There is a record of that name already."""


class UnknownNameError(Exception):
    """A record speaks of a tenant or a team that is not there."""


class KeyDirectory(Protocol):
    """The keys of the database, for the doors. Both raise UnavailableError."""

    async def find(self, key_id: str) -> StoredKey | None:
        """Takes as long for an id that nobody has."""
        ...

    async def changes(self, since: int | None) -> Changes:
        """What has changed since that version; of None only which version it is now."""
        ...


class DirectoryOf(Protocol[Record]):
    """Records of one kind in the database, for administrators. Every method raises UnavailableError.

    What was written, every door goes by within a second; and the audit log has it, with who it was done `by`.
    """

    async def find(self, *name: str) -> Record | None: ...

    async def page(self, tenant: str | None, *, after: str, limit: int) -> Sequence[Record]:
        """In the order of their names, of one tenant or of all; those behind `after`."""
        ...

    async def create(self, record: Record, by: str) -> None:
        """Raises TakenError and UnknownNameError."""
        ...

    async def change(self, how: Callable[[Record], Record], by: str, *name: str) -> Record | None:
        """The record afterwards; None when there is none. Nobody else changes it meanwhile. Raises UnknownNameError."""
        ...


class BudgetDirectory(Protocol):
    async def hard(self, tenants: Collection[str] | None) -> Mapping[str, BudgetsInForce]:
        """The hard budgets that are in force: of these tenants, or of all; of who has none, nothing. Raises
        UnavailableError.
        """
        ...


class BudgetDesk(Protocol):
    """All budgets, for administrators, who can change their own. Every method raises UnavailableError.

    What was changed, every door goes by within a second, if accounting runs; and the audit log has it.
    """

    async def find(self, tenant: str, name: str) -> BudgetRecord | None: ...

    async def page(self, tenant: str, *, after: str, limit: int) -> Sequence[BudgetRecord]:
        """In the order of their names; those behind `after`."""
        ...

    async def put(self, tenant: str, budget: Budget, by: str) -> BudgetRecord:
        """Raises TakenError when the configuration has a budget of that name, and UnknownNameError for the tenant."""
        ...

    async def remove(self, tenant: str, name: str, by: str) -> bool:
        """False when there is none. Raises TakenError as `put` does."""
        ...

    async def create_key(self, key: KeyRecord, budget: Budget, by: str) -> None:
        """The key and its budget, or neither. Raises TakenError and UnknownNameError."""
        ...
