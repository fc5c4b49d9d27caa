"""Walks one job's journey: makes the calls and waits that `routing/journey.py` decides, and charges every attempt."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import orjson
import structlog

from services.router_worker.assembly import Assembler
from services.router_worker.calls import Permit, Permits
from services.router_worker.conduct import Conductor
from services.router_worker.outcome import AttemptBegun, abandoned, job_error
from services.router_worker.patience import a_moment, until_answered
from services.router_worker.ports import Claims, Hold, Holds, Measures, Outcomes, Taken
from services.router_worker.routing.explain import met_by
from services.router_worker.routing.journey import (
    Call,
    Event,
    GiveUp,
    Journey,
    Listen,
    Restart,
    Step,
    Succeed,
    Wait,
    Waited,
    advance,
    begin,
)
from services.router_worker.routing.steps import OPEN, Admitted, Hedge, Openings, Queue, Slow
from services.router_worker.run import (
    CANCELLED,
    DEFECT,
    KILLS_ITS_WORKERS,
    TOO_DEAR,
    UNPAID_IN_TIME,
    PutOff,
    Run,
    Verdict,
)
from services.router_worker.shown import read_back
from shared.clock import Clock
from shared.config.schema import Retries
from shared.contracts import AttemptFinished, JobStatus
from shared.job_log import EventType
from shared.money import Nanodollars

__all__ = ["Traveller"]

log = structlog.get_logger("journey")

_MOST_DEATHS = 3
"""A record whose workers died so often may be what kills them."""
_ASK_AGAIN_SECONDS = 1.0


@dataclass(slots=True)
class _Calling:
    """The journey while a call runs, beside which it may have another made."""

    journey: Journey


@dataclass(frozen=True, slots=True)
class Traveller:
    claims: Claims
    holds: Holds
    permits: Permits
    conductor: Conductor
    outcomes: Outcomes
    measures: Measures
    retries: Retries
    clock: Clock
    longest_wait: timedelta
    """A job that waits longer does so elsewhere, unless readers hold a part of its answer."""
    unheld_when_unknown: bool = False
    """Whether calls are made while nobody knows what is left of a budget."""

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
                    # Before the place at the provider: nobody keeps one while it is unknown whether there is money.
                    if verdict := await self._unpaid(run):
                        return verdict
                    permit, event = await self._queue(run, step)
                    journey, step = advance(journey, event, self._openings(run))
                case Call() | Restart():
                    if permit is None and (verdict := await self._unpaid(run)):
                        return verdict
                    journey, step = await self._call(run, journey, self._told(run, step), permit)
                    permit = None
                case Listen() | Hedge():
                    raise AssertionError("a journey listens only while an attempt runs")

    def _told(self, run: Run, step: Call | Restart) -> Call:
        """The call, when readers know if its answer begins anew."""
        if isinstance(step, Call):
            return step
        run.log.note(EventType.RESTART, _json(attempt=step.call.attempt))
        self.measures.restarted(run.job.model, run.attempts[-1].error_kind or "worker_lost")
        run.assembler = Assembler()
        return step.call

    async def _call(self, run: Run, journey: Journey, call: Call, permit: Permit | None) -> tuple[Journey, Step]:
        calling = _Calling(journey)
        step: Step = call
        permit = permit or self.permits.take(call.candidate, run.job)
        happened = await self.conductor.attempt(run, call, permit, partial(self._second, run, calling))
        journey = calling.journey
        for each in happened:
            journey, step = advance(journey, each, self._openings(run))
        return journey, step

    async def _unpaid(self, run: Run) -> Verdict | None:
        """How the job ends, when there is no money for the next call."""
        hold = await self._hold_for_another(run)
        if hold is Hold.HELD:
            return None
        return TOO_DEAR if hold is Hold.SHORT else UNPAID_IN_TIME

    async def _hold_for_another(self, run: Run) -> Hold:
        """Money for the next call: one was held for at admission, and those that broke have used up what they cost.

        Waits until somebody knows what is left; it is unknown when the deadline has come meanwhile.
        """
        job, costly = run.job, sum(1 for attempt in run.attempts if attempt.usage.total)
        if job.reserved is None or not costly:
            return Hold.HELD
        # No call costs more than was held for the first.
        amount = Nanodollars(job.reserved.nanodollars * (1 + costly))
        while True:
            hold = await until_answered(lambda: self.holds.extend(job, amount))
            if hold is not Hold.UNKNOWN:
                return hold
            if self.unheld_when_unknown:
                return Hold.HELD
            left = job.deadline - self.clock()
            if left <= timedelta():
                return hold
            with run.place.resting():
                await asyncio.sleep(min(left.total_seconds(), _ASK_AGAIN_SECONDS))

    def _second(self, run: Run, calling: "_Calling") -> tuple[Call, Permit] | None:
        """Whom to call beside a call that is slow."""
        calling.journey, step = advance(calling.journey, Slow(self.clock()), self._openings(run))
        return (step.call, self.permits.take(step.call.candidate, run.job)) if isinstance(step, Hedge) else None

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
        # At once: until it is on Kafka, only a Redis that may forget and a worker that may die know of it.
        with a_moment():
            await self.outcomes.charge(run.attempts, run.traceparent)
        if run.taken.forgotten and not shown.has_output:
            # Redis may have forgotten what its readers have not.
            run.log.note(EventType.RESTART, _json(attempt=run.taken.forgotten + 1))
        return shown.has_output

    async def _charge_abandoned(self, run: Run, begun: AttemptBegun, outputs: int) -> None:
        lost = abandoned(run.job, begun, outputs, self.clock())
        run.attempts.append(lost)
        self.measures.attempt_inherited(lost)
        log.warning("attempt_abandoned", attempt=lost.attempt_id, outputs=outputs)
        await self.conductor.note(run, f"f{begun.attempt}", lost.to_bytes())


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


def _json(**fields: object) -> bytes:
    return orjson.dumps(fields)
