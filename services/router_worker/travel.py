"""Walks one job's journey: makes the calls and waits that `routing/journey.py` decides, and charges every attempt."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta

import anyio.lowlevel
import orjson
import structlog

from services.router_worker.assembly import Assembler
from services.router_worker.attempt import Attempt
from services.router_worker.calls import Permit, Permits, ProviderCalls
from services.router_worker.events import Chunk, LimitsTold
from services.router_worker.failures import Failure
from services.router_worker.outcome import AttemptBegun, abandoned, attempt_finished, begin_attempt, job_error
from services.router_worker.patience import until_answered
from services.router_worker.ports import Begun, Claims, Measures, Taken, TokenEstimates
from services.router_worker.resilience.reactions import REACTIONS, Blame
from services.router_worker.routing.explain import Running, explained, met_by
from services.router_worker.routing.journey import (
    AttemptFailed,
    Call,
    Event,
    FirstOutput,
    GiveUp,
    Journey,
    Listen,
    Restart,
    Step,
    Succeed,
    Succeeded,
    Wait,
    Waited,
    advance,
    begin,
)
from services.router_worker.routing.steps import OPEN, Admitted, Openings, Queue
from services.router_worker.routing.traffic import Traffic
from services.router_worker.run import CANCELLED, DEFECT, KILLS_ITS_WORKERS, PutOff, Run, Verdict
from services.router_worker.running import Why
from services.router_worker.shown import read_back
from shared.clock import Clock
from shared.config.schema import Retries
from shared.contracts import AttemptFinished, AttemptRole, AttemptStatus, JobStatus
from shared.ids import attempt_id
from shared.job_log import EventType

__all__ = ["Traveller"]

log = structlog.get_logger("journey")

_MOST_DEATHS = 3
"""A record whose workers died so often may be what kills them."""


@dataclass(frozen=True, slots=True)
class Traveller:
    claims: Claims
    permits: Permits
    traffic: Traffic
    providers: ProviderCalls
    estimates: TokenEstimates
    measures: Measures
    retries: Retries
    clock: Clock
    longest_wait: timedelta
    """A job that waits longer does so elsewhere, unless readers hold a part of its answer."""

    async def travel(self, run: Run) -> Verdict | PutOff:
        """How the job ends, or when to go on with it.

        Cancelling this closes the provider call; `run.current` then tells how far it came.
        """
        shown = await self._charge_former_owners(run)
        if verdict := _foregone(run.taken):
            return verdict
        run.place.arrive()
        return await self._walk(run, *self._begin(run, shown=shown))

    async def give_up(self, run: Run) -> Verdict:
        """The job ends without another call."""
        await self._charge_former_owners(run)
        return DEFECT

    def _begin(self, run: Run, *, shown: bool) -> tuple[Journey, Step]:
        return begin(
            run.plan,
            run.job.on_interrupt,
            self.retries,
            run.job.deadline,
            self.clock(),
            attempts_so_far=max(run.taken.forgotten, *run.taken.begun, 0),
            shown=shown,
            openings=self._openings(run),
        )

    async def _walk(self, run: Run, journey: Journey, step: Step) -> Verdict | PutOff:
        permit: Permit | None = None
        while True:
            match step:
                case Succeed() | GiveUp():
                    return _verdict(step)
                case Wait():
                    if await self._wait(run, step, shown=journey.shown):
                        return PutOff(step.until)
                    journey, step = advance(journey, Waited(self.clock()), self._openings(run))
                case Queue():
                    permit, event = await self._queue(run, step)
                    journey, step = advance(journey, event, self._openings(run))
                case Restart(call):
                    run.log.note(EventType.RESTART, _json(attempt=call.attempt))
                    self.measures.restarted(run.job.model, run.attempts[-1].error_kind or "worker_lost")
                    run.assembler = Assembler()
                    step = call
                case Call():
                    happened = await self._attempt(run, step, permit or self.permits.take(step.candidate, run.job))
                    permit = None
                    for each in happened:
                        journey, step = advance(journey, each, self._openings(run))
                case Listen():
                    raise AssertionError("a journey listens only while an attempt runs")

    async def _wait(self, run: Run, step: Wait, *, shown: bool) -> bool:
        """True when it takes so long that the job is to wait elsewhere."""
        run.log.note(EventType.PROGRESS, _json(step="waiting", until=step.until, why=step.why))
        left = step.until - self.clock()
        if left > self.longest_wait and not shown:
            return True
        with run.place.resting():
            await asyncio.sleep(max(0.0, left.total_seconds()))
        return False

    async def _queue(self, run: Run, step: Queue) -> tuple[Permit | None, Event]:
        with run.place.resting():
            permit = await self.permits.queue(step.candidates, run.job, step.until)
        now = self.clock()
        if permit is None:
            return None, Waited(now)
        if now >= run.job.deadline:
            permit.end(0, None)
            return None, Waited(now)
        return permit, Admitted(permit.candidate.name, now)

    def _openings(self, run: Run) -> Openings:
        openings = self.permits.openings(run.plan.candidates, run.job)
        if openings is not OPEN:
            run.met.update(met_by(openings))
        return openings

    async def note(self, run: Run, name: str, value: bytes) -> None:
        """Write into the claim what the next owner would have to know; learn from it whether to go on."""
        run.claim[name] = value
        begun = await until_answered(lambda: self.claims.note(run.job.id, run.taken.epoch, name, value))
        if begun is Begun.FENCED:
            run.interrupt.stop(Why.FENCED)
        if begun is Begun.CANCEL:
            run.interrupt.stop(Why.CANCELLED)
        await anyio.lowlevel.checkpoint()

    def close(self, run: Run, finished: AttemptFinished) -> None:
        """The attempt has ended here: it is charged, and nothing runs any more."""
        run.attempts.append(finished)
        run.current = None
        self.measures.attempt_ended(finished)

    async def _attempt(self, run: Run, call: Call, permit: Permit) -> Sequence[Event]:
        """Call one deployment until it ends; afterwards the attempt is charged and noted in the claim."""
        job, candidate = run.job, call.candidate
        used: int | None = 0
        failure = None
        self.traffic.began(candidate.name)
        try:
            before = run.attempts[-1] if run.attempts else None
            plan = explained(run.plan, [*run.attempts, Running(candidate.name)], run.met)
            begun = begin_attempt(candidate, call.attempt, run.taken.epoch, self.clock(), before, plan)
            if before is not None and begun.role is AttemptRole.FAILOVER:
                self.measures.failed_over(job.model, before.error_kind or "worker_lost")
            await self.note(run, f"a{call.attempt}", begun.to_bytes())
            run.log.note(EventType.PROGRESS, _json(step="attempt", attempt=call.attempt, deployment=candidate.name))
            attempt = run.current = Attempt(job, begun, run.assembler)
            self.measures.attempt_began(begun)
            used = None
            # Each token wakes every coroutine between its task and the socket; from a task of its own the way is short.
            await asyncio.create_task(self._listen(run, attempt, call, permit), name=f"listens to {begun.deployment}")
            used, failure = attempt.tokens, attempt.failure
        finally:
            permit.end(used, failure)
            self.traffic.ended(candidate.name)
        return await self._conclude(run, attempt, permit)

    async def _listen(self, run: Run, attempt: Attempt, call: Call, permit: Permit) -> None:
        job = run.job
        name, resume_text = attempt_id(job.id, call.attempt), run.assembler.text if call.resume else None
        calls = self.providers.attempt(
            job, call.candidate, name, resume_text, job.deadline, key=permit.key, traceparent=run.traceparent
        )
        answered = False
        async with aclosing(calls) as events:
            async for event in events:
                attempt.take(event, attempt.first_output_at or self.clock())
                if attempt.first_output_at is not None and not answered:
                    answered = True
                    permit.answered()
                if isinstance(event, Chunk):
                    if job.streamed:
                        run.log.show(event)
                elif isinstance(event, LimitsTold):
                    permit.hear(event.limits)

    async def _conclude(self, run: Run, attempt: Attempt, permit: Permit) -> Sequence[Event]:
        now = self.clock()
        estimate = await self.estimates.usage(run.job, attempt.assembler.output) if attempt.needs_estimate else None
        status = AttemptStatus.SUCCEEDED if attempt.succeeded else AttemptStatus.FAILED
        finished = attempt_finished(run.job, attempt.close(status, now, estimate))
        self.close(run, finished)
        self._remember(attempt, now)
        shown = [FirstOutput(attempt.first_output_at)] if run.job.streamed and attempt.first_output_at else []
        if attempt.failure is None:
            return [*shown, Succeeded(now)]
        _log_failure(finished, attempt.failure, attempt.evidence)
        await self.note(run, f"f{finished.attempt}", finished.to_bytes())
        jitter = random.random()  # noqa: S311 - spreads retries, guards nothing
        return [
            *shown,
            AttemptFailed(
                attempt.failure,
                now,
                jitter,
                resumable=attempt.assembler.is_resumable,
                another_key=permit.another_key(),
            ),
        ]

    def _remember(self, attempt: Attempt, now: datetime) -> None:
        """How long its deployment took to say something, for those who choose by it."""
        waited = ((attempt.first_output_at or now) - attempt.begun.started_at).total_seconds()
        if attempt.first_output_at is not None:
            self.traffic.answered(attempt.begun.deployment, waited, now.timestamp())
        elif attempt.failure is not None and REACTIONS[attempt.failure.kind].blame is Blame.DEPLOYMENT:
            self.traffic.failed(attempt.begun.deployment, waited, now.timestamp())

    async def _charge_former_owners(self, run: Run) -> bool:
        """Take over what earlier workers showed and noted, and charge the attempt that died with one.

        Returns whether readers hold output.
        """
        if run.taken.epoch == 1:
            return False
        shown = read_back(await until_answered(lambda: self.claims.log_of(run.job.id)))
        run.assembler = shown.assembler
        for number, noted in run.taken.begun.items():
            run.claim[f"a{number}"] = noted
            if done := run.taken.finished.get(number):
                run.claim[f"f{number}"] = done
                run.attempts.append(AttemptFinished.model_validate_json(done))
            else:
                await self._charge_abandoned(run, AttemptBegun.model_validate_json(noted), shown.outputs[number])
        if run.taken.forgotten and not shown.has_output:
            # Redis may have forgotten what its readers have not.
            run.log.note(EventType.RESTART, _json(attempt=run.taken.forgotten + 1))
        return shown.has_output

    async def _charge_abandoned(self, run: Run, begun: AttemptBegun, outputs: int) -> None:
        lost = abandoned(run.job, begun, outputs, self.clock())
        run.attempts.append(lost)
        self.measures.attempt_inherited(lost)
        log.warning("attempt_abandoned", attempt=lost.attempt_id, outputs=outputs)
        await self.note(run, f"f{begun.attempt}", lost.to_bytes())


def _verdict(step: Succeed | GiveUp) -> Verdict:
    match step:
        case Succeed():
            return Verdict(JobStatus.SUCCEEDED)
        case GiveUp(failure, outcome):
            return Verdict(JobStatus(outcome.value), job_error(failure))


def _foregone(taken: Taken) -> Verdict | None:
    """How the job ends without another call, from what its former owners and its callers did."""
    if taken.cancelled:
        return CANCELLED
    return KILLS_ITS_WORKERS if taken.deaths >= _MOST_DEATHS else None


def _log_failure(finished: AttemptFinished, failure: Failure, evidence: str) -> None:
    what = {"attempt": finished.attempt_id, "kind": failure.kind, "on": finished.deployment}
    if failure.status is not None:
        what["status"] = str(failure.status)
    if evidence:
        what["evidence"] = evidence
    log.info("attempt_failed", **what)


def _json(**fields: object) -> bytes:
    return orjson.dumps(fields)
