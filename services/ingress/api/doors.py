"""What the routes stand on: handed to each of them by the wiring, instead of globals."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from starlette.datastructures import Headers

from services.ingress.admission import Caller, Manner, ModelFacts, Refused, Wishes, read_request, read_wishes
from services.ingress.api.problems import ProblemError, of_refused
from services.ingress.api.upload import LargeBodies
from services.ingress.availability import Availability
from services.ingress.callers import Callers
from services.ingress.incidents import Incidents
from services.ingress.ports import ClaimChecks, JobArchive, JobLog
from services.ingress.reception import Fresh, Received, Reception
from services.ingress.tail import Tails
from shared.blobs import INLINE_BYTES
from shared.clock import Clock
from shared.ids import new_job_id
from shared.telemetry import Instruments, TraceContext

__all__ = ["Doors", "Patience", "trace_of", "wishes_of"]

Good = TypeVar("Good")


@dataclass(frozen=True, slots=True)
class Patience:
    """In seconds."""

    keepalive: float = 12
    """A stream that says nothing for so long sends a comment."""
    write: float = 30
    """A reader whose buffers stay full for so long is let go."""
    grace: float = 30
    """How long after its deadline a job's end is still waited for."""


@dataclass(slots=True)
class BodyLimit:
    """Of a request; it may change."""

    body_bytes: int


@dataclass(frozen=True, slots=True)
class Doors:
    callers: Callers
    reception: Reception
    tails: Tails
    job_log: JobLog
    archive: JobArchive
    models: Mapping[str, ModelFacts]
    availability: Availability
    claim_checks: ClaimChecks
    incidents: Incidents
    limit: BodyLimit
    large: LargeBodies
    instruments: Instruments
    clock: Clock
    patience: Patience = field(default_factory=Patience)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the process begins to stop: streams that can be resumed elsewhere end then."""

    @property
    def body_bytes(self) -> int:
        """The most that a request may have."""
        return self.limit.body_bytes

    async def receive(self, raw: bytes, caller: Caller, manner: Manner, wishes: Wishes) -> Received:
        """Nothing is queued yet, but a new job's large body is in the blob store.

        Raises ProblemError, and UnavailableError when a key cannot be looked up or a body cannot be left.
        """
        request = _or_raise(read_request(raw, manner, wishes))
        received = await self.reception.receive(request, caller, new_job_id())
        if isinstance(received, Refused):
            self.incidents.refused(caller, received.reason)
            raise ProblemError(of_refused(received))
        if isinstance(received, Fresh) and len(raw) > INLINE_BYTES:
            return replace(received, job=await self.claim_checks.leave(received.job))
        return received


def _or_raise(decision: Good | Refused) -> Good:
    if isinstance(decision, Refused):
        raise ProblemError(of_refused(decision))
    return decision


def wishes_of(headers: Headers) -> Wishes:
    """Raises ProblemError."""
    return _or_raise(read_wishes(headers.get, "x-sluice-", key_header="idempotency-key"))


def trace_of(headers: Headers) -> TraceContext:
    found = TraceContext.parse(headers.get("traceparent", ""), headers.get("tracestate", ""))
    return found.child() if found else TraceContext.new()
