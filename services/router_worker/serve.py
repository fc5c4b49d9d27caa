"""One job in, one answer streamed out: takes the claim, lets the job travel, ends it in the order that loses nothing.

The order of an ending: (1) terminal entry and outcome in one Redis step, (2) usage and result on Kafka, (3) the offset.
A crash after (1) repeats (2) from the claim; before (1) the next epoch runs the job again. This file decides nothing:
who runs a job is the claim's answer, what it does next is the journey's.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import anyio
import structlog

from services.router_worker.assembly import Assembler
from services.router_worker.conduct import Conductor
from services.router_worker.outcome import Outcome, attempt_finished, job_ended, terminal_event
from services.router_worker.patience import a_moment, until_answered
from services.router_worker.ports import (
    Claims,
    Ended,
    JobQueue,
    Journals,
    LargeAnswers,
    Measures,
    Outcomes,
    Owned,
    Place,
    RunningElsewhere,
    Shadows,
    Taken,
    Uncertain,
    Unreachable,
)
from services.router_worker.routing.explain import explained
from services.router_worker.routing.plan import Plan
from services.router_worker.run import CANCELLED, PutOff, Run, Verdict
from services.router_worker.running import Interrupt, RunningJobs, Why
from services.router_worker.travel import Traveller
from shared.blobs import INLINE_BYTES
from shared.clock import Clock
from shared.config.schema import Retention
from shared.contracts import AttemptFinished, AttemptStatus, Job
from shared.job_log import facts_of

__all__ = ["Server"]

log = structlog.get_logger("serve")

_HAND_OVER_SECONDS = 3.0
_CLAIM_MARGIN_SECONDS = 3600
"""A claim outlives its job's deadline by this much: no record is redelivered later than that."""


Travels = Callable[[Run], Awaitable[Verdict | PutOff]]


@dataclass(frozen=True, slots=True)
class Server:
    worker: str
    claims: Claims
    shadows: Shadows
    journals: Journals
    answers: LargeAnswers
    outcomes: Outcomes
    queue: JobQueue
    traveller: Traveller
    conductor: Conductor
    measures: Measures
    running: RunningJobs
    plan: Callable[[Job], Plan]
    retention: Retention
    clock: Clock

    async def serve(self, job: Job, place: Place, traceparent: str | None) -> None:
        """Returns when the job has ended and the world knows. Cancelling it hands the job over to another worker.

        What it raises is a defect of ours; the job may then be served again.
        """
        await self._serve(job, place, traceparent, self.traveller.travel)

    async def give_up(self, job: Job, place: Place, traceparent: str | None) -> None:
        """As `serve`, for a job that cannot be served: it ends as failed."""
        await self._serve(job, place, traceparent, self.traveller.give_up)

    async def _serve(self, job: Job, place: Place, traceparent: str | None, travel: Travels) -> None:
        facts = facts_of(job).to_bytes()
        overdue = False
        while True:
            owned = await self._take(job, facts)
            self.measures.record_taken(job.lane, _turned_out(owned))
            match owned:
                case Ended(published=True):
                    return
                case Ended() as ended if overdue or self._must_publish(job, ended):
                    await self._publish(Outcome.model_validate_json(ended.outcome), traceparent)
                    return
                case Taken() as taken if taken.deferral > (job.deferral or 0) and not taken.cancelled:
                    await until_answered(lambda: self.claims.hand_over(job.id, taken.epoch))
                    log.info("older_record", job=job.id, deferral=taken.deferral)
                    return
                case Taken() as taken:
                    if await self._run(self._open(job, taken, place, traceparent), travel):
                        return
                    self.measures.fenced()
                    log.info("fenced", job=job.id, epoch=taken.epoch)
                case Ended() | RunningElsewhere() | Uncertain():
                    place.step_aside()
                    unheard_seconds = owned.seconds if isinstance(owned, Uncertain) else 0.0
                    overdue = await self.shadows.wait(job.id, unheard_seconds)
                    place.step_back()

    async def _take(self, job: Job, facts: bytes) -> Owned:
        ttl_ms = self._claim_ttl_ms(job)
        with self.running.taking(job.id):
            owned = await until_answered(partial(self.claims.take, job, facts, ttl_ms))
            if isinstance(owned, RunningElsewhere) and owned.owner == self.worker and self.running.is_nobodys(job.id):
                # Of a run that is over: nobody else would ever take it from a worker that lives.
                owned = await until_answered(partial(self.claims.take_over, job, facts, ttl_ms, owned))
            return owned

    def _must_publish(self, job: Job, ended: Ended) -> bool:
        """Whoever ended the job publishes it; when that worker is gone, or was this one in vain, it is ours to do."""
        return not ended.owner_lives or (ended.owner == self.worker and job.id not in self.running)

    def _claim_ttl_ms(self, job: Job) -> int:
        remaining = (job.deadline - self.clock()).total_seconds()
        return int((max(remaining, 0) + _CLAIM_MARGIN_SECONDS) * 1000)

    async def _run(self, run: Run, travel: Travels) -> bool:
        """False when a higher epoch took the job away: somebody else ends it."""
        bound = structlog.contextvars.bound_contextvars(job=run.job.id, epoch=run.taken.epoch)
        with bound, self.running.entered(run.job.id, run.interrupt):
            try:
                then: Verdict | PutOff = CANCELLED
                with run.interrupt.scope:
                    then = await travel(run)
                done = run.interrupt.why is not Why.FENCED and await self._conclude(run, then)
                if not done:
                    await self._charge(run)
            except asyncio.CancelledError:
                with anyio.move_on_after(_HAND_OVER_SECONDS, shield=True):
                    await self._hand_over(run)
                raise
            except Exception:
                # Whoever takes it next, most likely this worker, goes on from what was noted.
                await until_answered(lambda: self._hand_over(run))
                raise
            finally:
                run.log.close()
        return done

    def _open(self, job: Job, taken: Taken, place: Place, traceparent: str | None) -> Run:
        interrupt = Interrupt(anyio.CancelScope())
        claim = {"job": facts_of(job).to_bytes(), "owner": self.worker.encode(), "epoch": b"%d" % taken.epoch}
        if taken.deferral:
            claim["deferral"] = b"%d" % taken.deferral
        fence = lambda: interrupt.stop(Why.FENCED)  # noqa: E731 - a name for an argument, not a function of its own
        return Run(
            job=job,
            taken=taken,
            plan=self._planned(job),
            place=place,
            log=self.journals.open(job, taken, claim, self._claim_ttl_ms(job), fence),
            claim=claim,
            interrupt=interrupt,
            assembler=Assembler(),
            traceparent=traceparent,
        )

    def _planned(self, job: Job) -> Plan:
        plan = self.plan(job)
        for skipped in plan.skipped:
            log.info("deployment_skipped", job=job.id, deployment=skipped.name, reason=skipped.reason)
        return plan

    async def _conclude(self, run: Run, then: Verdict | PutOff) -> bool:
        match then:
            case Verdict():
                if then.is_record_suspect:
                    await run.place.set_aside(f"{run.taken.deaths} workers died while they ran it", run.taken.deaths)
                return await self._end(run, then)
            case PutOff(until):
                return await self._put_off(run, until)

    async def _put_off(self, run: Run, until: datetime) -> bool:
        """The new record first, then the mark that makes older ones mean nothing: whatever dies, one of them counts."""
        job = run.job.model_copy(update={"not_before": until, "deferral": run.taken.epoch})
        await self.outcomes.charge(run.attempts, run.traceparent)
        await self.queue.put(job, run.traceparent)
        await self.conductor.note(run, "deferral", b"%d" % run.taken.epoch)
        match run.interrupt.why:
            case Why.FENCED:
                return False
            case Why.CANCELLED:
                return await self._end(run, CANCELLED)
            case None:
                await until_answered(lambda: self.claims.hand_over(job.id, run.taken.epoch))
                log.info("put_off", until=until.isoformat())
                return True

    async def _end(self, run: Run, verdict: Verdict) -> bool:
        now = self.clock()
        self._stop(run, AttemptStatus.CANCELLED, now)
        ended = job_ended(
            run.job,
            status=verdict.status,
            epoch=run.taken.epoch,
            attempts=run.attempts,
            plan=explained(run.plan, run.attempts, run.met),
            response=run.assembler.response(),
            error=verdict.error,
            now=now,
        )
        told = ended.to_bytes()
        if len(told) > INLINE_BYTES:
            ended = await self.answers.leave(ended)
            told = ended.to_bytes()
        outcome = Outcome(ended=ended, attempts=tuple(run.attempts))
        ttl_ms = self.retention.job_log_seconds * 1000
        event = terminal_event(verdict.status)
        if not await run.log.end(event, told, outcome.to_bytes(), ttl_ms, ended.usage.total):
            return False
        await self._publish(outcome, run.traceparent)
        # Not before: it is written into Redis again when that loses the claim, and others believe it.
        run.claim["published"] = b"1"
        self.measures.job_ended(ended)
        log.info("job_ended", status=verdict.status, attempts=len(run.attempts), model=run.job.model)
        return True

    async def _publish(self, outcome: Outcome, traceparent: str | None) -> None:
        ended = outcome.ended
        await self.outcomes.publish(ended, outcome.attempts, traceparent)
        try:
            await self.claims.note(ended.job_id, ended.epoch, "published", b"1")
        except Unreachable as error:
            # Who waits for the mark, or is given the record again, publishes once more, which is harmless.
            log.info("published_mark_lost", reason=str(error))

    async def _charge(self, run: Run) -> None:
        """Whoever took the job charges what the claim told. When Redis lost that, nobody but we can."""
        self._stop(run, AttemptStatus.ABANDONED, self.clock())
        await self.outcomes.charge(run.attempts, run.traceparent)

    def _stop(self, run: Run, status: AttemptStatus, now: datetime) -> list[AttemptFinished]:
        """What ran runs no more, and is charged as this."""
        stopped = []
        for attempt in tuple(run.current):
            stopped.append(attempt_finished(run.job, attempt.close(status, now)))
            self.conductor.close(run, attempt, stopped[-1])
        return stopped

    async def _hand_over(self, run: Run) -> None:
        """This worker stops with the job unfinished: charge what was used and let anybody go on at once.

        Whoever goes on charges it too, by the same message, from what the claim tells. But Redis may lose that first.
        """
        lost = self._stop(run, AttemptStatus.ABANDONED, self.clock())
        with a_moment():
            await self.outcomes.charge(run.attempts, run.traceparent)
        for each in lost:
            await self.conductor.note(run, f"f{each.attempt}", each.to_bytes())
        await self.claims.hand_over(run.job.id, run.taken.epoch)
        log.info("handed_over")


def _turned_out(owned: Owned) -> str:
    match owned:
        case Taken(epoch=1):
            return "new"
        case Taken():
            return "taken_over"
        case Ended():
            return "ended"
        case RunningElsewhere() | Uncertain():
            return "shadowed"
