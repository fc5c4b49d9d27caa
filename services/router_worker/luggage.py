"""What does not fit into records, on this side: bodies are collected for the time of a call, large answers are left."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import datetime, timedelta

import structlog
from pydantic_core import from_json, to_json

from services.router_worker.calls import ProviderCalls
from services.router_worker.events import AttemptEvent, Failed
from services.router_worker.failures import Failure, FailureKind
from services.router_worker.patience import until_answered
from services.router_worker.ports import Unreachable
from services.router_worker.routing.plan import Candidate
from shared.blobs import BlobMissingError, Blobs, BlobsAwayError, Part, blob_key
from shared.clock import Clock
from shared.contracts import BlobRef, Job, JobEnded
from shared.ids import AttemptId

__all__ = ["CollectingCalls", "LeftAnswers"]

log = structlog.get_logger("luggage")

_LOST = Failure(
    FailureKind.BODY_LOST,
    "The request was too large for its record, and the blob store has it no longer, or never had it: "
    "ingress and workers must share one store.",
)
_LATE = Failure(FailureKind.DEADLINE, "The job's deadline passed before its large request could be collected.")


class CollectingCalls:
    """`calls.ProviderCalls` that fetches what was left in the blob store; only so many such bodies are here at once."""

    def __init__(self, calls: ProviderCalls, blobs: Blobs, clock: Clock, *, at_once: int) -> None:
        self._calls = calls
        self._blobs = blobs
        self._clock = clock
        self._places = asyncio.Semaphore(at_once)

    def attempt(
        self,
        job: Job,
        candidate: Candidate,
        attempt_id: AttemptId,
        resume_text: str | None,
        deadline: datetime,
        *,
        key: int = 0,
        traceparent: str | None = None,
    ) -> AsyncGenerator[AttemptEvent, None]:
        def call(whole: Job) -> AsyncGenerator[AttemptEvent, None]:
            return self._calls.attempt(
                whole, candidate, attempt_id, resume_text, deadline, key=key, traceparent=traceparent
            )

        return call(job) if job.body_blob is None else self._collected(job, job.body_blob, deadline, call)

    async def _collected(
        self, job: Job, blob: BlobRef, deadline: datetime, call: Callable[[Job], AsyncGenerator[AttemptEvent, None]]
    ) -> AsyncGenerator[AttemptEvent, None]:
        left = (deadline - self._clock()).total_seconds()
        try:
            async with asyncio.timeout(left):
                await self._places.acquire()
        except TimeoutError:
            yield Failed(_LATE)
            return
        try:
            whole = await self._whole(job, blob, deadline)
            if isinstance(whole, Failure):
                yield Failed(whole)
                return
            async with aclosing(call(whole)) as events:
                del whole
                async for event in events:
                    yield event
        finally:
            self._places.release()

    async def _whole(self, job: Job, blob: BlobRef, deadline: datetime) -> Job | Failure:
        """Waits as long as the store is away, but not past the deadline."""
        try:
            async with asyncio.timeout((deadline - self._clock()).total_seconds()):
                content = await until_answered(lambda: self._collect(blob))
        except TimeoutError:
            return _LATE
        except BlobMissingError as error:
            log.warning("body_lost", job=job.id, reason=str(error))
            return _LOST
        return job.model_copy(update={"body": from_json(content), "body_blob": None})

    async def _collect(self, blob: BlobRef) -> bytes:
        try:
            return await self._blobs.collect(blob)
        except BlobsAwayError as error:
            raise Unreachable(f"blob store: {error}") from error


class LeftAnswers:
    """`ports.LargeAnswers` in the blob store."""

    def __init__(self, blobs: Blobs, *, kept: timedelta) -> None:
        self._blobs = blobs
        self._kept = kept

    async def leave(self, ended: JobEnded) -> JobEnded:
        content = to_json(ended.response)
        key = blob_key(ended.ended_at + self._kept, ended.tenant, ended.job_id, Part.RESPONSE, ended.epoch)
        blob = await until_answered(lambda: self._leave(key, content))
        return ended.model_copy(update={"response": None, "response_blob": blob})

    async def _leave(self, key: str, content: bytes) -> BlobRef:
        try:
            return await self._blobs.leave(key, content)
        except BlobsAwayError as error:
            raise Unreachable(f"blob store: {error}") from error
