"""What ingress's tests are made of: requests, callers, jobs and their ends, and the ports kept in memory."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import cast

import orjson
from starlette.types import ASGIApp

from services.ingress.adapters.blob_claim_checks import BlobClaimChecks
from services.ingress.adapters.follower import Cause
from services.ingress.adapters.followers import Followers
from services.ingress.admission import Caller, CompletionRequest, Facts, ModelFacts, Spans
from services.ingress.api.app import create_app
from services.ingress.api.doors import Doors, Patience
from services.ingress.api.upload import LargeBodies
from services.ingress.callers import Callers
from services.ingress.ports import Cancellation, Dependency, Following, JobRecord, Progress, UnavailableError
from services.ingress.submissions import Submissions
from services.ingress.tail import Tails
from shared.clock import utc_now
from shared.config import hash_key
from shared.config.schema import Caller as CallerSection
from shared.config.schema import Tenant
from shared.contracts import (
    AttemptStatus,
    AttemptSummary,
    DeadLetter,
    Door,
    Interruption,
    Job,
    JobEnded,
    JobError,
    JobStatus,
    JsonObject,
    Lane,
    TokenUsage,
)
from shared.ids import JobId, completion_id, new_job_id
from shared.job_log import Cursor, Entry, EventType, JobFacts, encode_entry, facts_of
from shared.telemetry import Instruments, TraceContext, probes
from tests.suites.blobs import MemoryBlobs

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)

CALLER = Caller("acme", "web", frozenset({"*"}), frozenset(Lane))

CHAT: JsonObject = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Say hello."}]}


def chat_body(**fields: object) -> bytes:
    return orjson.dumps(CHAT | fields)


def a_request(**fields: object) -> CompletionRequest:
    request = CompletionRequest(door=Door.CHAT, lane=Lane.INTERACTIVE, model="gpt-4o", body=dict(CHAT), streamed=False)
    return replace(request, **fields)  # type: ignore[arg-type]


def the_facts(**fields: object) -> Facts:
    facts = Facts(
        job=new_job_id(),
        model=ModelFacts(context_window=8192, max_output_tokens=4096),
        input_tokens=12,
        longest=timedelta(seconds=600),
        schedule=timedelta(days=1),
        on_interrupt=Interruption.RESTART,
    )
    return replace(facts, **fields)  # type: ignore[arg-type]


def a_job(*, tenant: str = "acme", streamed: bool = True, seconds: float = 60, **fields: object) -> Job:
    now = datetime.now(UTC)
    job = Job(
        id=new_job_id(),
        tenant=tenant,
        caller="web",
        door=Door.JOBS,
        lane=Lane.INTERACTIVE,
        model="gpt-4o",
        body=CHAT,
        streamed=streamed,
        on_interrupt=Interruption.RESTART,
        input_tokens=12,
        accepted_at=now,
        deadline=now + timedelta(seconds=seconds),
    )
    return job.model_copy(update=fields)


def a_chunk(job: Job, text: str) -> bytes:
    return orjson.dumps(
        {
            "id": completion_id(job.id),
            "object": "chat.completion.chunk",
            "created": int(job.accepted_at.timestamp()),
            "model": job.model,
            "choices": [{"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": None}],
        }
    )


def a_completion(job: Job | JobFacts, text: str) -> JsonObject:
    return {
        "id": completion_id(job.id),
        "object": "chat.completion",
        "created": int(job.accepted_at.timestamp()),
        "model": job.model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15},
    }


def an_end(
    job: Job,
    *,
    status: JobStatus = JobStatus.SUCCEEDED,
    text: str = "Hello.",
    error: JobError | None = None,
    epoch: int = 1,
) -> JobEnded:
    now = datetime.now(UTC)
    return JobEnded(
        job_id=job.id,
        tenant=job.tenant,
        caller=job.caller,
        custom_id=job.custom_id,
        lane=job.lane,
        model=job.model,
        model_served="gpt-4o-2026",
        status=status,
        response=a_completion(job, text) if status is JobStatus.SUCCEEDED else None,
        error=error,
        usage=TokenUsage(uncached_input=12, output=3),
        attempts=(
            AttemptSummary(
                attempt=1,
                provider="one",
                deployment="one/gpt-4o",
                status=AttemptStatus.SUCCEEDED,
                started_at=now,
                ended_at=now,
            ),
        ),
        route=("one/gpt-4o",),
        epoch=epoch,
        accepted_at=job.accepted_at,
        started_at=now,
        ended_at=now,
    )


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

    # --- the worker's side ---

    async def take(self, job: Job, worker: str = "w1") -> int:
        kept = self._job(job.id)
        kept.facts = kept.facts or facts_of(job)
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

    async def count(self, model: str, body: JsonObject) -> int:
        self.counted += 1
        return self.tokens


@dataclass(slots=True)
class MemoryIngress:
    """The HTTP door on ports in memory."""

    app: ASGIApp
    job_log: MemoryJobLog
    queue: MemoryQueue
    archive: MemoryArchive
    tokens: FixedTokens
    doors: Doors
    blobs: MemoryBlobs
    problems: dict[str, str | None]
    """What `/readyz` says."""

    async def submitted(self) -> Job:
        """The next job that reaches the queue."""
        await asyncio.wait_for(self.queue.arrived.wait(), 5)
        self.queue.arrived.clear()
        return self.queue.jobs[-1]


KEY = f"slk_web_{'a' * 64}"
OTHER_TENANTS_KEY = f"slk_rival_{'b' * 64}"
NARROW_KEY = f"slk_narrow_{'c' * 64}"
AUTH = {"authorization": f"Bearer {KEY}"}

TENANTS = {
    "acme": Tenant(
        keys={
            "web": CallerSection(hash=hash_key(KEY)),
            "narrow": CallerSection(hash=hash_key(NARROW_KEY), models=("gpt-4o-mini",), lanes=(Lane.BATCH,)),
        }
    ),
    "rival": Tenant(keys={"rival": CallerSection(hash=hash_key(OTHER_TENANTS_KEY))}),
}


def memory_ingress(*, body_bytes: int = 100_000, patience: Patience | None = None) -> MemoryIngress:
    job_log, queue, archive, tokens = MemoryJobLog(), MemoryQueue(), MemoryArchive(), FixedTokens()
    models = {"gpt-4o": ModelFacts(8192, 4096), "gpt-4o-mini": ModelFacts(), "org/model": ModelFacts()}
    instruments = Instruments("ingress")
    blobs = MemoryBlobs()
    claim_checks = BlobClaimChecks(blobs)
    doors = Doors(
        callers=Callers(TENANTS),
        submissions=Submissions(
            queue=queue,
            job_log=job_log,
            tokens=tokens,
            models=models,
            spans=Spans({lane: timedelta(seconds=600) for lane in Lane}, timedelta(days=1)),
            on_interrupt=Interruption.RESTART,
            clock=utc_now,
            instruments=instruments,
        ),
        tails=Tails(job_log, archive, claim_checks),
        job_log=job_log,
        archive=archive,
        models=models,
        claim_checks=claim_checks,
        body_bytes=body_bytes,
        large=LargeBodies(),
        instruments=instruments,
        clock=utc_now,
        patience=patience or Patience(),
    )
    problems: dict[str, str | None] = {"kafka": None}
    health = cast("ASGIApp", probes(instruments.registry, ready=lambda: problems, live=lambda: None))
    app = create_app(doors, health, version="test")
    return MemoryIngress(app, job_log, queue, archive, tokens, doors, blobs, problems)
