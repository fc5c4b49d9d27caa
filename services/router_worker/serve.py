"""One job in, one answer streamed out: takes the claim, walks the journey, and ends the job in the order that loses nothing.

The order of an ending: (1) terminal entry and outcome in one Redis step, (2) usage and result on Kafka, (3) the offset.
A crash after (1) repeats (2) from the claim; before (1) the next epoch runs the job again. This file decides nothing:
who runs a job is the claim's answer, what to do next is the journey's.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

import anyio
import orjson
import structlog

from services.router_worker.assembly import Assembler
from services.router_worker.attempt import Attempt
from services.router_worker.events import Chunk
from services.router_worker.outcome import (
    AttemptBegun,
    Outcome,
    abandoned,
    attempt_finished,
    begin_attempt,
    job_ended,
    job_error,
    terminal_event,
)
from services.router_worker.ports import (
    Begun,
    Claims,
    Ended,
    JobLog,
    Journals,
    Outcomes,
    Place,
    ProviderCalls,
    RunningElsewhere,
    Shadows,
    Taken,
    TokenEstimates,
    Unreachable,
)
from services.router_worker.routing.journey import (
    AttemptFailed,
    Call,
    Event,
    FirstOutput,
    GiveUp,
    Listen,
    Restart,
    Succeed,
    Succeeded,
    Wait,
    Waited,
    advance,
    begin,
)
from services.router_worker.routing.plan import Plan
from services.router_worker.running import Interrupt, RunningJobs, Why
from shared.clock import Clock
from shared.config.schema import Config
from shared.contracts import AttemptFinished, AttemptStatus, Job, JobError, JobStatus, JsonObject
from shared.ids import attempt_id, completion_id
from shared.job_log import EventType, facts_of

__all__ = ["Server"]

log = structlog.get_logger("serve")

T = TypeVar("T")

_HAND_OVER_SECONDS = 3.0
_CLAIM_MARGIN_SECONDS = 3600
"""A claim outlives its job's deadline by this much: no record is redelivered later than that."""


@dataclass(slots=True)
class Run:
    """A job while it runs here."""

    job: Job
    taken: Taken
    plan: Plan
    log: JobLog
    claim: dict[str, bytes]
    interrupt: Interrupt
    assembler: Assembler
    traceparent: str | None
    attempts: list[AttemptFinished] = field(default_factory=list)
    current: Attempt | None = None
    response: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    status: JobStatus
    error: JobError | None = None


@dataclass(frozen=True, slots=True)
class Server:
    config: Config
    claims: Claims
    shadows: Shadows
    journals: Journals
    providers: ProviderCalls
    outcomes: Outcomes
    estimates: TokenEstimates
    running: RunningJobs
    plan: Callable[[str], Plan]
    clock: Clock
    worker: str

    async def serve(self, job: Job, place: Place, traceparent: str | None) -> None:
        """Returns when the job has ended and the world knows. Cancelling it hands the job over to another worker."""
        while True:
            facts = facts_of(job).to_bytes()
            owned = await _persist(lambda: self.claims.take(job, facts, self._claim_ttl_ms(job)))
            match owned:
                case Ended(published=True):
                    return
                case Ended(outcome=outcome) if not await self._published_by_owner(job, owned, place):
                    await self._tell(Outcome.model_validate_json(outcome), traceparent)
                    return
                case Ended():
                    return
                case RunningElsewhere():
                    place.step_aside()
                    await self.shadows.wait(job.id)
                    place.step_back()
                case Taken() if await self._run(job, owned, traceparent):
                    return
                case Taken():
                    log.info("fenced", job=job.id, epoch=owned.epoch)

    async def _published_by_owner(self, job: Job, ended: Ended, place: Place) -> bool:
        """The owner of an ended job is publishing it right now, if it lives; otherwise somebody must do it again."""
        if ended.owner == self.worker and job.id not in self.running:
            return False
        place.step_aside()
        await self.shadows.wait(job.id)
        place.step_back()
        (look,) = await _persist(lambda: self.claims.look([job.id]))
        return look.published

    def _claim_ttl_ms(self, job: Job) -> int:
        remaining = (job.deadline - self.clock()).total_seconds()
        return int((max(remaining, 0) + _CLAIM_MARGIN_SECONDS) * 1000)

    # --- one run ---

    async def _run(self, job: Job, taken: Taken, traceparent: str | None) -> bool:
        """False when a higher epoch took the job away: somebody else ends it."""
        scope = anyio.CancelScope()
        interrupt = Interrupt(scope)
        claim = {"job": facts_of(job).to_bytes(), "owner": self.worker.encode(), "epoch": str(taken.epoch).encode()}
        run = Run(
            job=job,
            taken=taken,
            plan=self.plan(job.model),
            log=self.journals.open(job, taken, claim, self._claim_ttl_ms(job), lambda: interrupt.stop(Why.FENCED)),
            claim=claim,
            interrupt=interrupt,
            assembler=_assembler(job),
            traceparent=traceparent,
        )
        with structlog.contextvars.bound_contextvars(job=job.id, epoch=taken.epoch), self.running.entered(job.id, interrupt):
            try:
                with scope:
                    verdict = await self._travel(run)
                if interrupt.why is Why.FENCED:
                    return False
                if interrupt.why is Why.CANCELLED:
                    verdict = Verdict(JobStatus.CANCELLED, _CANCELLED)
                return await self._end(run, verdict)
            except asyncio.CancelledError:
                with anyio.CancelScope(shield=True), anyio.move_on_after(_HAND_OVER_SECONDS):
                    await self._hand_over(run)
                raise

    async def _travel(self, run: Run) -> Verdict:
        job, now = run.job, self.clock()
        shown = await self._charge_former_owners(run)
        if run.taken.cancelled:
            return Verdict(JobStatus.CANCELLED, _CANCELLED)
        journey, step = begin(
            run.plan,
            job.on_interrupt,
            self.config.retries,
            job.deadline,
            now,
            attempts_so_far=len(run.attempts),
            shown=shown,
        )
        while True:
            match step:
                case Succeed():
                    return Verdict(JobStatus.SUCCEEDED)
                case GiveUp(failure, outcome):
                    return Verdict(JobStatus(outcome.value), job_error(failure))
                case Wait(until, why):
                    run.log.note(EventType.PROGRESS, _json(step="waiting", until=until.isoformat(), why=why))
                    await asyncio.sleep(max(0.0, (until - self.clock()).total_seconds()))
                    journey, step = advance(journey, Waited(self.clock()))
                case Restart(call):
                    run.log.note(EventType.RESTART, _json(attempt=call.attempt))
                    run.assembler = _assembler(job)
                    step = call
                case Call():
                    for event in await self._attempt(run, step):
                        journey, step = advance(journey, event)
                case Listen():
                    raise AssertionError("a journey listens only while an attempt runs")

    async def _attempt(self, run: Run, call: Call) -> Sequence[Event]:
        """Call one deployment until it ends; afterwards the attempt is charged and noted in the claim."""
        job, candidate = run.job, call.candidate
        begun = begin_attempt(candidate, call.attempt, run.taken.epoch, self.clock())
        await self._note(run, f"a{call.attempt}", begun.to_bytes())
        run.log.note(EventType.PROGRESS, _json(step="attempt", attempt=call.attempt, deployment=candidate.name))
        resume_text = run.assembler.text if call.resume else None
        attempt = run.current = Attempt(job, begun, run.assembler)
        name = attempt_id(job.id, call.attempt)
        calls = self.providers.attempt(
            job, candidate, name, resume_text, job.deadline, traceparent=run.traceparent
        )
        async with aclosing(calls) as events:
            async for event in events:
                attempt.take(event, self.clock() if attempt.first_output_at is None else attempt.first_output_at)
                if job.streamed and isinstance(event, Chunk):
                    run.log.show(event)
        return await self._conclude(run, attempt)

    async def _conclude(self, run: Run, attempt: Attempt) -> Sequence[Event]:
        now = self.clock()
        run.response = attempt.response
        estimate = None
        if attempt.needs_estimate:
            estimate = await self.estimates.usage(run.job, attempt.assembler.text or "")
        status = AttemptStatus.SUCCEEDED if attempt.succeeded else AttemptStatus.FAILED
        finished = attempt_finished(run.job, attempt.close(status, now, estimate))
        run.attempts.append(finished)
        run.current = None
        shown = [FirstOutput(attempt.first_output_at)] if run.job.streamed and attempt.first_output_at else []
        if attempt.failure is None:
            return [*shown, Succeeded(now)]
        log.info("attempt_failed", attempt=finished.attempt_id, kind=attempt.failure.kind, deployment=finished.deployment)
        await self._note(run, f"f{finished.attempt}", finished.to_bytes())
        return [*shown, AttemptFailed(attempt.failure, now, random.random(), resumable=attempt.plain_text)]  # noqa: S311

    async def _note(self, run: Run, name: str, value: bytes) -> None:
        run.claim[name] = value
        begun = await _persist(lambda: self.claims.note(run.job.id, run.taken.epoch, name, value))
        if begun is Begun.FENCED:
            run.interrupt.stop(Why.FENCED)
        if begun is Begun.CANCEL:
            run.interrupt.stop(Why.CANCELLED)
        await anyio.lowlevel.checkpoint()

    async def _charge_former_owners(self, run: Run) -> bool:
        """Take over what earlier workers noted; charge the attempt that died with its worker. Whether output was shown."""
        shown = False
        for number, noted in run.taken.begun.items():
            run.claim[f"a{number}"] = noted
            if done := run.taken.finished.get(number):
                run.claim[f"f{number}"] = done
                run.attempts.append(AttemptFinished.model_validate_json(done))
                continue
            begun = AttemptBegun.model_validate_json(noted)
            deltas = await _persist(lambda epoch=begun.epoch: self.claims.shown_deltas(run.job.id, epoch))  # type: ignore[misc]
            shown = shown or bool(deltas)
            lost = abandoned(run.job, begun, len(deltas), self.clock())
            run.attempts.append(lost)
            await self._note(run, f"f{number}", lost.to_bytes())
            log.warning("attempt_abandoned", attempt=lost.attempt_id, deltas=len(deltas))
        return shown

    # --- the end ---

    async def _end(self, run: Run, verdict: Verdict) -> bool:
        now = self.clock()
        if run.current is not None:
            run.response = run.current.response
            run.attempts.append(attempt_finished(run.job, run.current.close(AttemptStatus.CANCELLED, now)))
        ended = job_ended(
            run.job,
            status=verdict.status,
            epoch=run.taken.epoch,
            attempts=run.attempts,
            route=[candidate.name for candidate in run.plan.candidates],
            response=run.response,
            error=verdict.error,
            now=now,
        )
        outcome = Outcome(ended=ended, attempts=tuple(run.attempts))
        ttl_ms = self.config.retention.job_log_seconds * 1000
        event = terminal_event(verdict.status)
        if not await self.journals.end(run.log, event, ended.to_bytes(), outcome.to_bytes(), ttl_ms):
            return False
        await self._tell(outcome, run.traceparent)
        log.info("job_ended", status=verdict.status, attempts=len(run.attempts), model=run.job.model)
        return True

    async def _tell(self, outcome: Outcome, traceparent: str | None) -> None:
        ended = outcome.ended
        await self.outcomes.publish(ended, outcome.attempts, traceparent)
        try:
            await self.claims.note(ended.job_id, ended.epoch, "published", b"1")
        except Unreachable as error:
            log.info("published_mark_lost", reason=str(error))  # a redelivery publishes again, which is harmless

    async def _hand_over(self, run: Run) -> None:
        """This worker stops with the job unfinished: charge what was used and let anybody go on at once."""
        if run.current is not None:
            lost = attempt_finished(run.job, run.current.close(AttemptStatus.ABANDONED, self.clock()))
            await self._note(run, f"f{lost.attempt}", lost.to_bytes())
        await self.claims.hand_over(run.job.id, run.taken.epoch)
        log.info("handed_over")


_CANCELLED = JobError(
    status_code=499, message="The job was cancelled.", type="invalid_request_error", code="job_cancelled"
)


def _assembler(job: Job) -> Assembler:
    return Assembler(completion_id(job.id), int(job.accepted_at.timestamp()), job.model)


def _json(**fields: object) -> bytes:
    return orjson.dumps(fields)


async def _persist(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask until the server answers: without it no decision is safe, and waiting loses nothing."""
    pause = 0.05
    while True:
        try:
            return await ask()
        except Unreachable as error:
            log.warning("waiting_for_server", reason=str(error))
            await asyncio.sleep(pause)
            pause = min(pause * 2, 1.0)
