"""What recording needs from the world: somewhere to keep things, somewhere to put what it cannot read."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from services.accounting.charging import Entry
from shared.contracts import Alert, DeadLetter, DeadLetterReason, Job, JobEnded
from shared.money import Nanodollars

__all__ = [
    "Added",
    "AlertShelf",
    "AuditDone",
    "AuditShelf",
    "AwayError",
    "Consumed",
    "DeadLetters",
    "JobShelf",
    "LastAudit",
    "Ledger",
    "Meter",
    "MisfitError",
    "Place",
    "Reach",
    "Record",
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


class MisfitError(AwayError):
    """The database is not made as this code knows it; so it is until it is migrated, or other code runs."""


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
