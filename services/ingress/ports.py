"""What ingress needs of the world: queue, job log, archive, books, a token counter; and how each can fail."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from services.ingress.admission import Denied, Departure, Granted, Pace, Short
from shared.audit import Event
from shared.budgets import BudgetRule
from shared.contracts import DeadLetter, Job, JobEnded, JobStatus, JsonObject, Lane, PlanEntry, Reserved
from shared.ids import JobId
from shared.job_log import Cursor, Entry
from shared.money import Nanodollars
from shared.telemetry.traces import TraceContext
from shared.tokens import ChatTokens

__all__ = [
    "AuditLog",
    "BudgetBook",
    "Cancellation",
    "ClaimChecks",
    "DeadLetterQueue",
    "Dependency",
    "Following",
    "JobArchive",
    "JobLog",
    "JobQueue",
    "JobRecord",
    "Progress",
    "RateBook",
    "RecordTooLargeError",
    "Reservation",
    "Reservations",
    "TokenCount",
    "UnavailableError",
    "UnconfirmedError",
]


class Dependency(StrEnum):
    KAFKA = "kafka"
    REDIS = "redis"
    POSTGRES = "postgres"
    BLOBS = "blobs"
    """Needed by large requests and answers only."""


class UnavailableError(Exception):
    """A server did not answer in time, and nothing was changed: try again later."""

    def __init__(self, dependency: Dependency, why: str) -> None:
        super().__init__(f"{dependency} is unavailable: {why}")
        self.dependency = dependency
        self.why = why


class UnconfirmedError(Exception):
    """Kafka did not answer in time: the record may be on the topic, or may still arrive there."""


class RecordTooLargeError(Exception):
    """The record is larger than the broker takes."""


class Progress(StrEnum):
    """Where a job is that has not ended."""

    QUEUED = "queued"
    RUNNING = "running"


@dataclass(frozen=True, slots=True)
class JobRecord:
    """What one place, the log or the archive, knows of a job."""

    id: JobId
    tenant: str
    model: str
    lane: Lane
    accepted_at: datetime
    progress: Progress = Progress.QUEUED
    """Without meaning once `ended` is set."""
    custom_id: str | None = None
    deadline: datetime | None = None
    not_before: datetime | None = None
    cancel_requested: bool = False
    attempts_begun: int = 0
    plan: Sequence[PlanEntry] = ()
    """As it stands while the job runs."""
    ended: JobEnded | None = None
    end: Cursor | None = None
    """Where its terminal event stands in the log; None when the log does not hold it."""
    cost: Nanodollars | None = None
    """None until every attempt is in the ledger with a price."""


class Cancellation(StrEnum):
    """What a request to cancel found."""

    ENDED = "ended"
    QUEUED = "queued"
    RUNNING = "running"
    FOLLOWED = "followed"
    """Somebody reads it, so it goes on: an answer to abandoning alone."""


class Following(Protocol):
    """One reader's way through a job's log."""

    async def next(self, patience: float) -> Sequence[Entry]:
        """The entries after those already given, in order, none twice; empty when `patience` seconds gave none.

        Blocks that long, and a call to Redis longer at most. Raises nothing: while Redis is away it waits and tries on.
        """
        ...


class JobLog(Protocol):
    """The replayable events of every job, and its claim. Every method raises UnavailableError when Redis is away."""

    def follow(self, job: JobId, after: Cursor) -> AbstractAsyncContextManager[Following]:
        """Entering raises UnavailableError; inside, nothing appended is missed. The job need not exist yet."""
        ...

    async def accept(self, job: Job) -> None:
        """Say that Kafka has the job. May be repeated, and may come after a worker has begun or ended it."""
        ...

    async def look(self, job: JobId) -> JobRecord | None:
        """None when the log knows nothing of the job: never accepted, expired, or lost."""
        ...

    async def cancel(self, job: JobId) -> Cancellation:
        """Mark the job and tell the worker that runs it. May be repeated; a job that has ended stays as it is."""
        ...

    async def abandon(self, job: JobId) -> Cancellation:
        """Cancel the job for one who no longer follows it, unless somebody else does, at any replica."""
        ...


@dataclass(frozen=True, slots=True)
class Reservation:
    """What an idempotency key stands for."""

    job: JobId
    fingerprint: str
    """Of the request that was first to use it."""
    made_at: datetime
    on_disconnect: Departure
    """As the first wished it."""


class Reservations(Protocol):
    """Which job each tenant's idempotency keys stand for. Both raise UnavailableError and may be repeated."""

    async def recall(self, tenant: str, key: str) -> Reservation | None: ...

    async def reserve(self, tenant: str, key: str, reservation: Reservation, *, until: datetime) -> Reservation:
        """What stands afterwards: this one, or an earlier one. It does so beyond `until`, the job's deadline."""
        ...


class ClaimChecks(Protocol):
    """Content that is too large for a record, left in the blob store. Both raise UnavailableError."""

    async def leave(self, job: Job) -> Job:
        """The same job, whose body the blob store has. Call it before the job is queued."""
        ...

    async def whole(self, ended: JobEnded) -> JobEnded:
        """The same end, with its answer; with an error instead when the store has it no longer."""
        ...


class JobQueue(Protocol):
    async def put(self, job: Job, trace: TraceContext) -> None:
        """Waits until the brokers have the job durably.

        Raises UnavailableError when it surely is not queued, UnconfirmedError when nobody can tell, and
        RecordTooLargeError.
        """
        ...


class DeadLetterQueue(Protocol):
    async def put(self, letter: DeadLetter) -> None:
        """As `JobQueue.put`. A letter may be put twice."""
        ...


class JobArchive(Protocol):
    """Every job as accounting has recorded it, a little later than it happened. Raises UnavailableError."""

    async def find(self, tenant: str, job: JobId) -> JobRecord | None: ...

    async def page(
        self, tenant: str, *, limit: int, after: JobId | None, status: JobStatus | Progress | None
    ) -> Sequence[JobRecord]:
        """Newest first, those accepted before the job `after`; without their responses."""
        ...


class AuditLog(Protocol):
    async def write(self, events: Sequence[Event]) -> None:
        """Afterwards all of them are in their tenants' chains, and on their way to the topic, or none is.

        Raises UnavailableError.
        """
        ...


class RateBook(Protocol):
    """What is left of the limits. Both raise UnavailableError when Redis is away, and may be repeated."""

    async def take(self, job: JobId, pace: Pace) -> Granted | Denied:
        """From all scopes or from none. What is granted is held for some seconds; `JobLog.accept` makes it last."""
        ...

    async def give_back(self, job: JobId) -> None:
        """The job will never run: everything is as if it had not been asked for."""
        ...


class BudgetBook(Protocol):
    """What is left of tenants' budgets. Both raise UnavailableError when Redis is away, and may be repeated."""

    async def hold(self, job: JobId, reserved: Reserved, rules: Sequence[BudgetRule]) -> Sequence[Short]:
        """Hold it in every window, or in none. `rules` are the budgets of the windows, in their order, of one tenant.

        Returns the windows that have not enough left; when there are none, it is held. Raises UnavailableError as well
        while nobody knows what was spent.
        """
        ...

    async def drop(self, tenant: str, job: JobId) -> None:
        """The job will never run: what is held for it is free again."""
        ...


class TokenCount(Protocol):
    async def count(self, model: str, body: JsonObject, window: int | None) -> ChatTokens:
        """The input tokens of a chat request, before it is queued. Does not hold up the loop, and never raises.

        Counting may end where it is far more than `window`, which then refuses it.
        """
        ...
