"""What is this request: a new job, or one that stands already because its sender sends it again?

Theory. A request with an idempotency key reserves a job id under its key before it is queued; that is one step in
Redis, and the only thing that is decided there. Whether the job was queued, the job log and the archive know. So a
process that dies between the reservation and the queue leaves an id that no job stands behind, and whoever sends the
request again queues it under that id. Should two queue it, because one took the other for dead, it is still one job to
the workers.
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from services.ingress.admission import Allowance, Caller, CompletionRequest, Departure, Refused, Repeat, reused
from services.ingress.ports import JobRecord, Reservation, Reservations, UnavailableError
from services.ingress.submissions import Submissions
from services.ingress.tail import Tails
from shared.clock import Clock
from shared.contracts import Interruption, Job
from shared.ids import JobId
from shared.telemetry import TraceContext

__all__ = ["Fresh", "Known", "Received", "Reception"]


@dataclass(frozen=True, slots=True)
class Fresh:
    """To be queued."""

    job: Job
    on_disconnect: Departure
    repeatable: bool = False
    """Whether its sender can send it again without getting a second job."""
    allowance: Allowance | None = None
    """What is left of the limits on its way, where there are any."""

    @property
    def on_interrupt(self) -> Interruption:
        return self.job.on_interrupt

    @property
    def streamed(self) -> bool:
        return self.job.streamed


@dataclass(frozen=True, slots=True)
class Known:
    """Accepted before."""

    job: JobRecord
    on_disconnect: Departure
    on_interrupt: Interruption
    streamed: bool


Received = Fresh | Known

_LOOK_AGAIN_SECONDS: Final = 0.1


class Reception:
    def __init__(
        self,
        submissions: Submissions,
        reservations: Reservations,
        tails: Tails,
        clock: Clock,
        *,
        queueing_seconds: float = 1.0,
    ) -> None:
        """`queueing_seconds` is how long it usually takes from a reservation to a job, at most."""
        self._submissions = submissions
        self._reservations = reservations
        self._tails = tails
        self._clock = clock
        self._queueing = timedelta(seconds=queueing_seconds)

    async def receive(self, request: CompletionRequest, caller: Caller, job: JobId) -> Received | Refused:
        """`job` is the id of a new one. Nothing is queued yet when it returns.

        Raises UnavailableError for a request with a key: without Redis nobody can tell what stands; and for one with a
        limit, if so configured.
        """
        if request.repeat is None:
            decision = await self._submissions.decide(request, caller, job)
            if isinstance(decision, Refused):
                return decision
            return Fresh(decision.job, request.on_disconnect, allowance=decision.allowance)
        standing = await self._reservations.recall(caller.tenant, request.repeat.key)
        if standing is not None:
            return await self._standing(standing, request, request.repeat, caller)
        # Not before it is admitted: a refusal shall not hold its key.
        decision = await self._submissions.decide(request, caller, job)
        if isinstance(decision, Refused):
            return decision
        ours = Reservation(job, request.repeat.fingerprint, self._clock(), request.on_disconnect)
        try:
            standing = await self._reservations.reserve(
                caller.tenant, request.repeat.key, ours, until=decision.job.deadline
            )
        except UnavailableError:
            await self._submissions.forget(decision.job)
            raise
        if standing == ours:
            return Fresh(decision.job, request.on_disconnect, repeatable=True, allowance=decision.allowance)
        await self._submissions.forget(decision.job)
        return await self._standing(standing, request, request.repeat, caller)

    async def known(self, request: CompletionRequest, caller: Caller, job: JobId) -> Known | None:
        """The job of this id if it stands. Raises UnavailableError."""
        record = await self._tails.look(caller.tenant, job)
        return None if record is None else self._known(record, request, request.on_disconnect)

    async def _standing(
        self, standing: Reservation, request: CompletionRequest, repeat: Repeat, caller: Caller
    ) -> Received | Refused:
        if standing.fingerprint != repeat.fingerprint:
            return self._submissions.refused(request, reused())
        # What one of them wants to outlive it goes on for all of them.
        lasting = Departure.CONTINUE in (standing.on_disconnect, request.on_disconnect)
        on_disconnect = Departure.CONTINUE if lasting else Departure.CANCEL
        record = await self._look(caller.tenant, standing)
        if record is not None:
            return self._known(record, request, on_disconnect)
        decision = await self._submissions.decide(request, caller, standing.job)
        if isinstance(decision, Refused):
            return decision
        return Fresh(decision.job, on_disconnect, repeatable=True, allowance=decision.allowance)

    def _known(self, record: JobRecord, request: CompletionRequest, on_disconnect: Departure) -> Known:
        self._submissions.repeated(request)
        return Known(record, on_disconnect, self._submissions.policy_of(request), request.streamed)

    async def _look(self, tenant: str, standing: Reservation) -> JobRecord | None:
        """A job that was reserved a moment ago is about to be queued: it gets the time for that."""
        # Another replica's clock may run ahead, but nobody waits longer for it.
        queued_by = min(standing.made_at, self._clock()) + self._queueing
        while True:
            record = await self._tails.look(tenant, standing.job)
            if record is not None or self._clock() >= queued_by:
                return record
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    async def queue(self, received: Received, trace: TraceContext) -> None:
        """Afterwards the job is accepted. Raises what `JobQueue.put` raises."""
        match received:
            case Fresh(job, repeatable=True):
                await self._submissions.accept(job, trace)
            case Fresh(job):
                await self._submissions.accept_or_withdraw(job, trace)
            case Known():
                pass
