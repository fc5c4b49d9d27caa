"""What recording needs from the world: somewhere to keep things, somewhere to put what it cannot read."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from services.accounting.charging import Entry
from shared.budgets import Held
from shared.contracts import Alert, DeadLetter, DeadLetterReason, Job, JobEnded
from shared.money import Nanodollars

__all__ = [
    "Added",
    "AlertShelf",
    "AuditDone",
    "AuditShelf",
    "AwayError",
    "BudgetBooks",
    "BudgetLedger",
    "Consumed",
    "DeadLetters",
    "Figure",
    "HardBudgets",
    "HeldJobs",
    "JobShelf",
    "LastAudit",
    "Ledger",
    "Meter",
    "Place",
    "Reach",
    "Record",
    "Settled",
    "Spent",
    "UnreadableError",
    "UnstorableError",
]


class Place(NamedTuple):
    topic: str
    partition: int


class Reach(NamedTuple):
    """Of a partition."""

    first: int
    """The oldest offset that Kafka still has."""
    next: int
    """The one that the next record will have."""


Consumed = Mapping[Place, int]
"""The offset after the last record of each partition that a transaction contains."""


class Record(Protocol):
    """A record as Kafka's client hands it over."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


class AwayError(Exception):
    """The server cannot do it now; the same call may succeed later. Nothing has been changed."""


class UnstorableError(Exception):
    """One of the rows can never be stored, for example for a number out of range. Nothing has been changed."""


class UnreadableError(Exception):
    """The record is not what its topic's contract asks for."""

    def __init__(self, reason: DeadLetterReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Spent(NamedTuple):
    """What the new rows of one deployment charged."""

    provider: str
    deployment: str
    cost: Nanodollars
    unpriced_attempts: int
    unpriced_tokens: int


@dataclass(frozen=True, slots=True)
class Added:
    """What a transaction really changed: rows that were there already are not counted."""

    rows: int
    spent: tuple[Spent, ...] = ()


class Ledger(Protocol):
    async def add(self, entries: Sequence[Entry], consumed: Consumed) -> Added:
        """Afterwards every attempt is in the ledger and in the roll-ups exactly once and the offsets have moved: all or
        nothing, however often it is called. Blocks for the database. Raises `AwayError` or `UnstorableError`.
        """
        ...


class JobShelf(Protocol):
    """The two calls commute: whichever comes first for a job, the row is the same afterwards."""

    async def accept(self, jobs: Sequence[Job], consumed: Consumed) -> Added:
        """Afterwards each job has a row with what was asked; one that has ended stays ended. Raises as `Ledger.add`."""
        ...

    async def end(self, ended: Sequence[JobEnded], consumed: Consumed) -> Added:
        """Afterwards each job has ended; of several ends the first stays. Raises as `Ledger.add`."""
        ...


class DeadLetters(Protocol):
    async def put(self, letters: Sequence[DeadLetter]) -> None:
        """Afterwards Kafka has them, perhaps twice. Blocks for the broker. Raises `AwayError`."""
        ...


class Meter(Protocol):
    """Counts what happens to one kind of message. Never blocks, never raises."""

    def kept(self, messages: int, added: Added, seconds: float) -> None:
        """One transaction: so many messages came, so much was new."""
        ...

    def buried(self, letters: Sequence[DeadLetter]) -> None: ...

    def caught_up_to(self, unix_ms: int) -> None:
        """A record that Kafka got at this time has been recorded."""
        ...


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
    """By their names."""
    opened: bool
    """Whether anything was ever held of them."""


@dataclass(frozen=True, slots=True)
class HeldJobs:
    """Of jobs that hold something; those in neither are unknown to the ledger."""

    settled: frozenset[str]
    waiting: frozenset[str]


class BudgetLedger(Protocol):
    """What is true of budgets. Every method blocks for the database and raises AwayError."""

    async def hard(self) -> Mapping[str, HardBudgets]:
        """Of every tenant that has any."""
        ...

    async def coming(self) -> Collection[str]:
        """Tenants who have budgets, soft ones too, that are not in force yet. Afterwards these have their sums."""
        ...

    async def in_force(self, tenant: str, known: Collection[str]) -> None:
        """From now on admission goes by those of them that have their sums: by these hard ones, and all soft ones."""
        ...

    async def opened(self, tenants: Collection[str]) -> None:
        """From now on something may be held of their budgets."""
        ...

    async def settle(self, tenants: Collection[str], jobs: Collection[str]) -> Mapping[str, Settled]:
        """Afterwards those of the jobs are settled that have ended and whose cost is in the ledger. All tenants are in
        the answer."""
        ...

    async def held(self, tenant: str) -> Mapping[str, Held]:
        """What the tenant's jobs hold, as they were accepted, and are not settled."""
        ...

    async def known(self, jobs: Collection[str]) -> HeldJobs: ...


class AlertShelf(Protocol):
    def untold(self) -> AbstractAsyncContextManager[Sequence[Alert]]:
        """Alerts that nobody was told of yet, and nobody else has in hand. When the block ends well they are told.

        Blocks for the database and raises AwayError, on the way out too.
        """
        ...


@dataclass(frozen=True, slots=True)
class AuditDone:
    begun_at: datetime
    ended_at: datetime
    since: datetime
    until: datetime
    events: int
    results: int
    waiting: int
    reaches_back: bool
    found: tuple[tuple[str, str, str, str], ...]
    """The differences: between which two, of what, and what each of them says."""


class LastAudit(NamedTuple):
    begun_at: datetime
    ended_at: datetime
    until: datetime
    differences: int


class AuditShelf(Protocol):
    """Where audits are remembered. Every method blocks for the database and raises AwayError."""

    async def last(self) -> LastAudit | None: ...

    async def keep(self, done: AuditDone) -> None:
        """Afterwards it is the last, and an alert is raised if it has found anything."""
        ...


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

    async def announce(self) -> None:
        """Whoever admits learns at once that other budgets are in force."""
        ...
