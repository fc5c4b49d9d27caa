"""The ports of ingress kept in memory: the job log with its worker's side, the queue, the archive and the rest."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

from services.ingress.adapters.follower import Cause
from services.ingress.adapters.followers import Followers
from services.ingress.ports import (
    Cancellation,
    Dependency,
    Following,
    JobRecord,
    Progress,
    Reservation,
    UnavailableError,
)
from shared.contracts import (
    DeadLetter,
    Job,
    JobEnded,
    JobStatus,
    JsonObject,
)
from shared.ids import JobId
from shared.job_log import Cursor, Entry, EventType, JobFacts, encode_entry, facts_of
from shared.telemetry import TraceContext
from shared.tokens import ChatTokens

TERMINAL = {
    JobStatus.SUCCEEDED: EventType.DONE,
    JobStatus.FAILED: EventType.ERROR,
    JobStatus.CANCELLED: EventType.CANCELLED,
    JobStatus.EXPIRED: EventType.EXPIRED,
}


def terminal_entry(ended: JobEnded, seq: int) -> Entry:
    return Entry(Cursor(ended.epoch, seq), TERMINAL[ended.status], ended.to_bytes())


@dataclass(slots=True)
class _Kept:
    """One job in memory: its log and its claim."""

    entries: list[Entry] = field(default_factory=list)
    facts: JobFacts | None = None
    owner: str | None = None
    epoch: int = 0
    cancelled: bool = False
    ended: JobEnded | None = None

    def add(self, entry: Entry) -> bool:
        if self.entries and entry.cursor <= self.entries[-1].cursor:
            return False
        self.entries.append(entry)
        return True


class MemoryJobLog:
    """`ports.JobLog` and the worker's side of it, without a server. `away` makes every call fail."""

    def __init__(self, *, queue_bound: int = 1024) -> None:
        self.rereads: list[Cause] = []
        self.told: list[tuple[str, JobId]] = []
        self.away = False
        self.followed_elsewhere = False
        """Whether another replica has a reader of every job."""
        self.cancelled = 0
        self._jobs: dict[JobId, _Kept] = {}
        self._followers = Followers(self.rereads.append, queue_bound=queue_bound)

    @property
    def followed(self) -> int:
        return len(self._followers)

    @asynccontextmanager
    async def follow(self, job: JobId, after: Cursor) -> AsyncIterator[Following]:
        async def read(cursor: Cursor) -> Sequence[Entry]:
            return [entry for entry in self._job(job).entries if entry.cursor > cursor]

        follower = self._followers.join(job, after, read)
        try:
            await follower.begin()
            yield follower
        finally:
            self._followers.leave(job, follower)

    async def accept(self, job: Job) -> None:
        kept = self._job(job.id)
        kept.facts = kept.facts or facts_of(job)
        self._publish(job.id, Entry(Cursor(0, 1), EventType.ACCEPTED, b"{}"))

    async def look(self, job: JobId) -> JobRecord | None:
        kept = self._job(job)
        if kept.facts is None:
            return None
        last = kept.entries[-1] if kept.entries else None
        return JobRecord(
            id=job,
            tenant=kept.facts.tenant,
            model=kept.facts.model,
            lane=kept.facts.lane,
            accepted_at=kept.facts.accepted_at,
            progress=Progress.RUNNING if kept.owner else Progress.QUEUED,
            custom_id=kept.facts.custom_id,
            deadline=kept.facts.deadline,
            cancel_requested=kept.cancelled,
            ended=kept.ended,
            end=last.cursor if last and last.type.is_terminal else None,
        )

    async def cancel(self, job: JobId) -> Cancellation:
        kept = self._job(job)
        if kept.ended is not None:
            return Cancellation.ENDED
        kept.cancelled = True
        self.cancelled += 1
        if kept.owner is None:
            return Cancellation.QUEUED
        self.told.append((kept.owner, job))
        return Cancellation.RUNNING

    async def abandon(self, job: JobId) -> Cancellation:
        if self._followers.has(job) or self.followed_elsewhere:
            return Cancellation.FOLLOWED
        return await self.cancel(job)

    # --- the worker's side ---

    async def take(self, job: Job, worker: str = "w1") -> int:
        kept = self._job(job.id)
        kept.facts = kept.facts or facts_of(job)
        if not kept.entries:
            self._publish(job.id, Entry(Cursor(0, 1), EventType.ACCEPTED, b"{}"))
        kept.owner, kept.epoch = worker, kept.epoch + 1
        self._publish(job.id, Entry(Cursor(kept.epoch, 1), EventType.STARTED, b"{}"))
        return kept.epoch

    async def append(self, job: Job, *entries: Entry) -> None:
        for entry in entries:
            self._publish(job.id, entry)

    async def end(self, job: Job, ended: JobEnded, seq: int) -> None:
        kept = self._job(job.id)
        kept.ended = ended
        self._publish(job.id, terminal_entry(ended, seq))

    def lose(self, job: JobId, ended: JobEnded | None = None) -> None:
        """The log, as when it has expired; the claim stays, with the outcome that the log would have shown."""
        kept = self._job(job)
        kept.entries.clear()
        kept.ended = ended or kept.ended

    def lose_connection(self) -> None:
        self._followers.reread_all(Cause.RECONNECT)

    def _publish(self, job: JobId, entry: Entry) -> None:
        if self._job(job).add(entry):
            message = [job.encode(), str(entry.cursor).encode(), encode_entry(entry.type, entry.data)]
            self._followers.deliver(b"\n".join(message))

    def _job(self, job: JobId) -> _Kept:
        if self.away:
            raise UnavailableError(Dependency.REDIS, "gone for lunch")
        return self._jobs.setdefault(job, _Kept())


class MemoryReservations:
    """`ports.Reservations`."""

    def __init__(self) -> None:
        self.standing: dict[tuple[str, str], Reservation] = {}
        self.away = False

    async def recall(self, tenant: str, key: str) -> Reservation | None:
        if self.away:
            raise UnavailableError(Dependency.REDIS, "gone for lunch")
        return self.standing.get((tenant, key))

    async def reserve(self, tenant: str, key: str, reservation: Reservation, *, until: datetime) -> Reservation:
        if self.away:
            raise UnavailableError(Dependency.REDIS, "gone for lunch")
        return self.standing.setdefault((tenant, key), reservation)


class MemoryQueue:
    """`ports.JobQueue` and `ports.DeadLetterQueue`."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.letters: list[DeadLetter] = []
        self.failure: Exception | None = None
        self.arrived = asyncio.Event()

    async def put(self, item: Job | DeadLetter, trace: TraceContext | None = None) -> None:
        if self.failure is not None:
            raise self.failure
        if isinstance(item, DeadLetter):
            self.letters.append(item)
            return
        assert trace is not None
        self.jobs.append(item)
        self.arrived.set()


class MemoryArchive:
    """`ports.JobArchive`."""

    def __init__(self) -> None:
        self.records: dict[JobId, JobRecord] = {}
        self.away = False

    async def find(self, tenant: str, job: JobId) -> JobRecord | None:
        record = self._all().get(job)
        return record if record is not None and record.tenant == tenant else None

    async def page(
        self, tenant: str, *, limit: int, after: JobId | None, status: JobStatus | Progress | None
    ) -> Sequence[JobRecord]:
        mine = [record for record in self._all().values() if record.tenant == tenant]
        behind = [record for record in mine if after is None or record.id < after]
        kept = [record for record in behind if status is None or _has(record, status)]
        return sorted(kept, key=lambda record: record.id, reverse=True)[:limit]

    def _all(self) -> dict[JobId, JobRecord]:
        if self.away:
            raise UnavailableError(Dependency.POSTGRES, "gone for lunch")
        return self.records


def _has(record: JobRecord, status: JobStatus | Progress) -> bool:
    if isinstance(status, Progress):
        return record.ended is None
    return record.ended is not None and record.ended.status is status


class FixedTokens:
    """`ports.TokenCount`: as many as it is told."""

    def __init__(self, tokens: int = 12) -> None:
        self.tokens = tokens
        self.counted = 0

    async def count(self, model: str, body: JsonObject, window: int | None) -> ChatTokens:
        self.counted += 1
        return ChatTokens(input=self.tokens, most=self.tokens)
