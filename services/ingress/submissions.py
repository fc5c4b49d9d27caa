"""The one way a request becomes a job, whichever door it came through: count, decide, queue, and say so in the log."""

import asyncio
import time
from collections import deque
from contextlib import suppress
from typing import Final

import structlog

from services.ingress.admission import Admitted, Caller, CompletionRequest, Facts, HouseRules, Refused, admit
from services.ingress.backlogs import Backlogs
from services.ingress.pacing import Paced
from services.ingress.ports import (
    JobLog,
    JobQueue,
    RecordTooLargeError,
    TokenCount,
    UnavailableError,
    UnconfirmedError,
)
from services.ingress.takings import Takings
from shared.clock import Clock
from shared.contracts import Interruption, Job
from shared.ids import JobId
from shared.telemetry import Instruments, TraceContext
from shared.telemetry.metrics import ACCEPT_SECONDS, ACCEPTED, REFUSED, REPEATED
from shared.tokens import ChatTokens

__all__ = ["Submissions"]

log = structlog.get_logger()

_UNSAID_BOUND: Final = 10_000
_RETRY_SECONDS: Final = 1.0
_NONE: Final = ChatTokens(input=0, most=0)


class Submissions:
    def __init__(
        self,
        *,
        queue: JobQueue,
        job_log: JobLog,
        tokens: TokenCount,
        backlogs: Backlogs,
        takings: Takings,
        rules: HouseRules,
        clock: Clock,
        instruments: Instruments,
    ) -> None:
        self._queue = queue
        self._job_log = job_log
        self._tokens = tokens
        self._backlogs = backlogs
        self._takings = takings
        self._rules = rules
        self._clock = clock
        self._accepted = instruments.counter(ACCEPTED)
        self._refused = instruments.counter(REFUSED)
        self._repeated = instruments.counter(REPEATED)
        self._seconds = instruments.histogram(ACCEPT_SECONDS)
        self._unsaid: deque[Job] = deque(maxlen=_UNSAID_BOUND)
        """Jobs that Kafka has and the log does not know of yet. A worker that takes one tells the log as well."""

    def go_by(self, rules: HouseRules) -> None:
        """For whatever is decided from now on."""
        self._rules = rules

    async def decide(self, request: CompletionRequest, caller: Caller, job: JobId) -> Paced | Refused:
        """The job holds what it takes of its limits and budgets; nothing else has happened yet when it returns. A
        refusal takes nothing. Raises UnavailableError when nobody knows what is left, and that is a reason to refuse.
        """
        rules = self._rules
        model = rules.models.get(request.model)
        # What is refused for its model anyway is not worth counting.
        tokens = _NONE
        if model:
            tokens = await self._tokens.count(request.model, request.body, model.window_at(request.endpoint))
        longest = rules.spans.longest[request.lane]
        facts = Facts(
            job=job,
            model=model,
            input_tokens=tokens.input,
            input_is_cut=tokens.is_cut,
            longest=longest,
            schedule=rules.spans.schedule,
            on_interrupt=rules.on_interrupt,
            wait=self._backlogs.wait(request.lane, caller.tenant, request.model),
        )
        facts = self._takings.demanded(facts, request, caller, tokens, longest)
        decision = admit(request, caller, facts, self._clock())
        if not isinstance(decision, Admitted):
            return self.refused(request, decision)
        taken = await self._takings.take(decision.job, facts)
        if isinstance(taken, Refused):
            return self.refused(request, taken)
        self._backlogs.promised(taken.job)
        return taken

    async def forget(self, job: Job) -> None:
        """It was decided for, and is not queued after all."""
        await self._takings.give_back(job)

    def refused(self, request: CompletionRequest, refusal: Refused) -> Refused:
        """The same, counted."""
        self._refused.labels(request.door, refusal.reason).inc()
        return refusal

    def repeated(self, request: CompletionRequest) -> None:
        """Counts a request whose job stands already."""
        self._repeated.labels(request.door).inc()

    def policy_of(self, request: CompletionRequest) -> Interruption:
        """What happens when the answer breaks off."""
        return request.on_interrupt or self._rules.on_interrupt

    async def accept(self, job: Job, trace: TraceContext) -> None:
        """Afterwards the job is accepted: it will end. Raises what `JobQueue.put` raises."""
        began = time.perf_counter()
        try:
            await self._queue.put(job, trace)
        except (UnavailableError, RecordTooLargeError):
            await self.forget(job)
            raise
        self._seconds.labels(job.door).observe(time.perf_counter() - began)
        self._accepted.labels(job.door, job.lane, job.model).inc()
        try:
            await self._job_log.accept(job)
        except UnavailableError:
            self._unsaid.append(job)

    async def accept_or_withdraw(self, job: Job, trace: TraceContext) -> None:
        """As `accept`, for a caller who will try again when it fails: the first try must not run as well."""
        try:
            await self.accept(job, trace)
        except UnconfirmedError:
            log.warning("submission_unconfirmed", job_id=job.id)
            with suppress(UnavailableError):
                await self._job_log.cancel(job.id)
            raise

    async def run(self) -> None:
        """Until cancelled: tell the log of jobs that were accepted while Redis was away."""
        while True:
            await asyncio.sleep(_RETRY_SECONDS)
            while self._unsaid:
                job = self._unsaid.popleft()
                try:
                    await self._job_log.accept(job)
                except UnavailableError:
                    self._unsaid.appendleft(job)
                    break
