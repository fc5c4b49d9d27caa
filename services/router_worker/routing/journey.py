"""What a job does next. Pure: (journey, event) -> (journey, step).

Rule 1: every retry, failover and give-up decision lives in this file and, as far as a failure changes how a candidate
        stands, in `judging.py`; what a kind of failure calls for is read from `resilience/reactions.py`.
Rule 2: this file knows no provider, no transport and no clock; times and jitter arrive inside events.
Rule 3: no step but `GiveUp` at or after the deadline, and no wait that ends there: a job that cannot be helped in time
        ends now, with the failure it had.

Theory. Each candidate of the plan has a standing: when it may be asked again, how often it failed, how many rounds of
the plan it has used up, whether it is barred. Most decisions are then one question, `_next`: of those that are still
open, who may be asked first? Failures only change standings. A `RETRY` is the exception that stays with its candidate.

What holds for all jobs comes from outside, as openings. Whom nobody is to call now (`NotNow`) is waited for like one
that has failed here; what the waiting costs, the reaction to its failure says: for a limit it is free, for a deployment
that is left alone it may be done as often as there are rounds, and a key that is no good is not waited for at all.
Deployments have limits, which jobs share. Of those that serve the same model, one that is not full is preferred to
waiting for one that is; another model, which gives another answer, is asked for that reason only where the operator has
said how long a job may stand in line.

Before the first output is shown, failover is silent. After it, the policy decides: `fail` ends the job, `continue` goes
on behind the text where the next candidate can, and anything else restarts, which the readers are told.
"""

from dataclasses import replace
from datetime import datetime
from typing import assert_never

from services.router_worker.failures import Cause, Failure, FailureKind
from services.router_worker.resilience.deadline import Deadline
from services.router_worker.resilience.reactions import REACTIONS, Then
from services.router_worker.routing.judging import causes_of, judged, open_to
from services.router_worker.routing.plan import Plan
from services.router_worker.routing.standing import Journey, Standing, View
from services.router_worker.routing.steps import (
    OPEN,
    Admitted,
    AttemptFailed,
    Call,
    Event,
    FirstOutput,
    GiveUp,
    Hedge,
    Listen,
    Openings,
    OtherFailed,
    Outcome,
    Overtaken,
    Queue,
    Restart,
    Slow,
    Step,
    Succeed,
    Succeeded,
    Wait,
    Waited,
)
from shared.config.schema import Retries
from shared.contracts import Interruption

__all__ = [
    "AttemptFailed",
    "Call",
    "Event",
    "FirstOutput",
    "GiveUp",
    "Journey",
    "Listen",
    "Outcome",
    "Restart",
    "Step",
    "Succeed",
    "Succeeded",
    "Wait",
    "Waited",
    "advance",
    "begin",
]


def begin(
    plan: Plan,
    policy: Interruption,
    retries: Retries,
    deadline: datetime,
    now: datetime,
    *,
    attempts_so_far: int = 0,
    shown: bool = False,
    openings: Openings = OPEN,
) -> tuple[Journey, Step]:
    """`attempts_so_far` and `shown` tell of an earlier worker that died over this job."""
    standings = (Standing(),) * len(plan.candidates)
    met = causes_of(*(skipped.failure for skipped in plan.skipped))
    journey = Journey(plan, policy, retries, Deadline(deadline), standings, attempts_so_far, shown, met=met)
    if shown and policy is Interruption.FAIL:
        return _give_up(journey, Failure(FailureKind.CUT, "The worker that streamed this answer stopped."))
    if not open_to(journey):
        return _give_up(journey, _nobody(plan))
    return _next(journey, now, openings)


def _nobody(plan: Plan) -> Failure:
    """Why a plan has nobody to begin with."""
    for skipped in plan.skipped:
        if skipped.failure is not None:
            return skipped.failure
    return Failure(FailureKind.MODEL_NOT_FOUND, "No deployment serves this model.")


def advance(journey: Journey, event: Event, openings: Openings = OPEN) -> tuple[Journey, Step]:
    match event:
        case FirstOutput() | Overtaken() | OtherFailed():
            return _heard(journey, event), Listen()
        case Succeeded():
            return journey, Succeed()
        case Waited():
            return _next(journey, event.now, openings)
        case Admitted():
            return _admitted(journey, event)
        case Slow():
            return _hedge(View(journey, event.now, openings))
        case AttemptFailed():
            return _recover(replace(journey, resumable=event.resumable), event, openings)
        case _:
            assert_never(event)


def _heard(journey: Journey, event: FirstOutput | Overtaken | OtherFailed) -> Journey:
    match event:
        case FirstOutput():
            return replace(journey, shown=True)
        case Overtaken():
            return replace(journey, here=journey.beside, beside=journey.here)
        case OtherFailed():
            return _aside(journey, event.event)
        case _:
            assert_never(event)


def _aside(journey: Journey, event: AttemptFailed) -> Journey:
    """What the call beside has met, this job has met, though another goes on for it."""
    elsewhere = replace(journey, here=journey.beside, met=journey.met | causes_of(event.failure))
    known = judged(elsewhere, event, REACTIONS[event.failure.kind].then)
    return replace(known, here=journey.here, staying=journey.staying)


def _admitted(journey: Journey, event: Admitted) -> tuple[Journey, Step]:
    if not journey.deadline.allows(event.now):
        return _expire(journey)
    return _call(journey, next(i for i, each in enumerate(journey.plan.candidates) if each.name == event.name))


def _recover(journey: Journey, event: AttemptFailed, openings: Openings) -> tuple[Journey, Step]:
    then = REACTIONS[event.failure.kind].then
    if then is Then.EXPIRE:
        return _expire(journey)
    journey = replace(journey, last=event.failure, met=journey.met | causes_of(event.failure))
    if then is Then.GIVE_UP or (journey.shown and journey.policy is Interruption.FAIL):
        return _give_up(journey, event.failure)
    return _next(judged(journey, event, then), event.now, openings)


def _next(journey: Journey, now: datetime, openings: Openings) -> tuple[Journey, Step]:
    """Whom to ask: who is stayed with, or the first to be free; of several, in the plan's order, round by round."""
    if not journey.deadline.allows(now):
        return _expire(journey)
    journey = _aware(journey, openings)
    view = View(journey, now, openings)
    open_ = [journey.here] if view.stays() else [each for each in open_to(journey) if not view.is_hopeless(each)]
    if not open_:
        return _give_up(journey, journey.last or _obstacle(view, open_to(journey)))
    first = min(open_, key=view.order)
    if view.free_at(first) <= now:
        return _enter(view, first, open_)
    if not journey.deadline.allows(view.free_at(first)):
        return _give_up(journey, journey.last or _obstacle(view, [first]))
    return _wait(view, first)


def _aware(journey: Journey, openings: Openings) -> Journey:
    """What keeps all jobs from a deployment that this one would ask has happened to it, too."""
    if not openings.parked:
        return journey
    names = {journey.plan.candidates[index].name for index in open_to(journey)}
    found = (openings.parked[name].because for name in names & openings.parked.keys())
    return replace(journey, met=journey.met | causes_of(*found))


def _obstacle(view: View, indexes: list[int]) -> Failure | None:
    found = [obstacle for index in indexes if (obstacle := view.obstacle(index)) is not None]
    return min(found, key=lambda each: each.until).because if found else None


def _wait(view: View, index: int) -> tuple[Journey, Step]:
    journey, until, obstacle = view.journey, view.free_at(index), view.obstacle(index)
    journey = replace(journey, in_line_since=None)
    if obstacle is None:
        return journey, Wait(until, journey.last.kind if journey.last else FailureKind.RATE_LIMITED)
    if REACTIONS[obstacle.because.kind].then is not Then.PARK:
        was = journey.standings[index]
        standings = (*journey.standings[:index], replace(was, waits=was.waits + 1), *journey.standings[index + 1 :])
        journey = replace(journey, standings=standings)
    return journey, Wait(until, obstacle.because.kind)


def _enter(view: View, first: int, open_: list[int]) -> tuple[Journey, Step]:
    """Call the first, or else another of the same model that is not full, or stand in line for all of these."""
    journey, candidates = view.journey, view.journey.plan.candidates
    same = [index for index in open_ if candidates[index].serves == candidates[first].serves]
    ready = sorted((index for index in same if view.free_at(index) <= view.now), key=view.order)
    for index in ready:
        if not view.is_full(index):
            return _call(journey, index)
    weary, elsewhere = max(view.weary_at(index) for index in ready), _elsewhere(view, same)
    if elsewhere and max(weary, view.free_at(elsewhere[0])) <= view.now:
        return _call(replace(journey, met=journey.met | {Cause.OUTAGE}), elsewhere[0])
    returns = [view.free_at(index) for index in same if index not in ready]
    until = min([journey.deadline.at, *returns, *(max(weary, view.free_at(index)) for index in elsewhere)])
    since = journey.in_line_since or view.now
    return replace(journey, in_line_since=since), Queue(tuple(candidates[index] for index in ready), until)


def _elsewhere(view: View, same: list[int]) -> list[int]:
    """Who could be asked instead of these, of another model, if they leave the job standing too long."""
    outage = replace(view.journey, met=view.journey.met | {Cause.OUTAGE})
    others = [index for index in open_to(outage) if index not in same]
    return sorted((each for each in others if not view.is_hopeless(each) and not view.is_full(each)), key=view.order)


def _hedge(view: View) -> tuple[Journey, Step]:
    """Another deployment of the same model that may be called at once, if there is one."""
    journey, candidates = view.journey, view.journey.plan.candidates
    model = candidates[journey.here].serves
    others = (index for index in open_to(journey) if index != journey.here and candidates[index].serves == model)
    ready = [index for index in others if view.free_at(index) <= view.now and not view.is_full(index)]
    if not ready or not journey.deadline.allows(view.now):
        return journey, Listen()
    beside = min(ready, key=view.order)
    call = Call(candidates[beside], journey.attempts + 1)
    return replace(journey, beside=beside, attempts=call.attempt), Hedge(call)


def _call(journey: Journey, index: int) -> tuple[Journey, Step]:
    candidate = journey.plan.candidates[index]
    resume = journey.shown and journey.resumable and candidate.prefill and journey.policy is Interruption.CONTINUE
    call = Call(candidate, journey.attempts + 1, resume)
    journey = replace(journey, here=index, staying=False, attempts=call.attempt, in_line_since=None)
    if journey.shown and not resume:
        return replace(journey, shown=False), Restart(call)
    return journey, call


def _give_up(journey: Journey, failure: Failure | None) -> tuple[Journey, Step]:
    parked = Failure(
        FailureKind.RATE_LIMITED, "Every deployment of this model is at its limit until after the deadline."
    )
    return journey, GiveUp(failure or parked, Outcome.FAILED)


def _expire(journey: Journey) -> tuple[Journey, Step]:
    message = "The job's deadline passed before it was answered."
    if journey.last is not None:
        message += f" The last failure was: {journey.last.message}"
    return journey, GiveUp(Failure(FailureKind.DEADLINE, message), Outcome.EXPIRED)
