"""What a job does next. Pure: (journey, event) -> (journey, step).

Rule 1: every retry, failover and give-up decision lives in this file; what a kind of failure calls for is read from
        `resilience/reactions.py`.
Rule 2: this file knows no provider, no transport and no clock; times and jitter arrive inside events.
Rule 3: no step but `GiveUp` at or after the deadline, and no wait that ends there: a job that cannot be helped in time
        ends now, with the failure it had.

Theory. Each candidate of the plan has a standing: when it may be asked again, how often it failed, how many rounds of
the plan it has used up, whether it is barred. Most decisions are then one question, `_next`: of those that are still
open, who may be asked first? Failures only change standings. A `RETRY` is the exception that stays with its candidate.

Deployments have limits, which jobs share. Of those that serve the same model, one that is not full is preferred to
waiting for one that is; another model is not asked for that reason, because it gives another answer.

Before the first output is shown, failover is silent. After it, the policy decides: `fail` ends the job, `continue` goes
on behind the text where the next candidate can, and anything else restarts, which the readers are told.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from services.router_worker.failures import Cause, Failure, FailureKind
from services.router_worker.resilience.backoff import parking, pause
from services.router_worker.resilience.deadline import Deadline
from services.router_worker.resilience.reactions import REACTIONS, Then, cause_of
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
    Listen,
    Openings,
    Outcome,
    Queue,
    Restart,
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
    met = _met(*(skipped.failure for skipped in plan.skipped))
    journey = Journey(plan, policy, retries, Deadline(deadline), standings, attempts_so_far, shown, met=met)
    if shown and policy is Interruption.FAIL:
        return _give_up(journey, Failure(FailureKind.CUT, "The worker that streamed this answer stopped."))
    if not _open(journey):
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
        case FirstOutput():
            return replace(journey, shown=True), Listen()
        case Succeeded():
            return journey, Succeed()
        case Waited():
            return _next(journey, event.now, openings)
        case Admitted():
            return _admitted(journey, event)
        case AttemptFailed():
            return _recover(replace(journey, resumable=event.resumable), event, openings)
        case _:
            assert_never(event)


def _admitted(journey: Journey, event: Admitted) -> tuple[Journey, Step]:
    if not journey.deadline.allows(event.now):
        return _expire(journey)
    return _call(journey, next(i for i, each in enumerate(journey.plan.candidates) if each.name == event.name))


def _recover(journey: Journey, event: AttemptFailed, openings: Openings) -> tuple[Journey, Step]:
    then = REACTIONS[event.failure.kind].then
    if then is Then.EXPIRE:
        return _expire(journey)
    journey = replace(journey, last=event.failure, met=journey.met | _met(event.failure))
    if then is Then.GIVE_UP or (journey.shown and journey.policy is Interruption.FAIL):
        return _give_up(journey, event.failure)
    return _next(_judged(journey, event, then), event.now, openings)


def _judged(journey: Journey, event: AttemptFailed, then: Then) -> Journey:
    """The journey after a failure has changed the standings."""
    match then:
        case Then.BAR:
            return _bar(journey, journey.plan.candidates[journey.here].name)
        case Then.OTHER_MODEL:
            model = journey.plan.candidates[journey.here].serves
            return _bar(journey, *(each.name for each in journey.plan.candidates if each.serves == model))
        case Then.PARK:
            return _stand(journey, _parked(journey, event))
        case Then.RETRY | Then.SWITCH | Then.LEAVE:
            return _failed(journey, event, then)
        case Then.GIVE_UP | Then.EXPIRE:
            return journey
        case _:
            assert_never(then)


def _bar(journey: Journey, *names: str) -> Journey:
    standings = tuple(
        replace(standing, barred=True) if candidate.name in names else standing
        for candidate, standing in zip(journey.plan.candidates, journey.standings, strict=True)
    )
    return replace(journey, standings=standings, staying=False)


def _parked(journey: Journey, event: AttemptFailed) -> Standing:
    was = journey.standings[journey.here]
    length = parking(journey.retries, was.limits, event.failure.retry_after, event.jitter)
    return replace(was, limits=was.limits + 1, not_before=event.now + length)


def _failed(journey: Journey, event: AttemptFailed, then: Then) -> Journey:
    was = journey.standings[journey.here]
    asked_for = event.failure.retry_after or timedelta()
    wait = max(pause(journey.retries, was.failures, event.jitter), asked_for)
    failed = replace(was, failures=was.failures + 1, tries=was.tries + 1, not_before=event.now + wait)
    alone = _open(journey) == [journey.here]
    stays = then is not Then.LEAVE and (alone or (then is Then.RETRY and not asked_for))
    if stays and failed.tries <= journey.retries.per_deployment:
        return replace(_stand(journey, failed), staying=True)
    return _stand(journey, replace(failed, tries=0, rounds=failed.rounds + 1))


def _stand(journey: Journey, standing: Standing) -> Journey:
    """The candidate that was asked last now stands like this, and others may be asked."""
    standings = (*journey.standings[: journey.here], standing, *journey.standings[journey.here + 1 :])
    return replace(journey, standings=standings, staying=False)


def _open(journey: Journey) -> list[int]:
    return [
        index
        for index, standing in enumerate(journey.standings)
        if not standing.barred and standing.rounds < journey.retries.rounds and _is_due(journey, index)
    ]


def _is_due(journey: Journey, index: int) -> bool:
    """A fallback for one kind of failure waits until that has happened."""
    after = journey.plan.candidates[index].after
    return not after or not after.isdisjoint(journey.met)


def _met(*failures: Failure | None) -> frozenset[Cause]:
    causes = (cause_of(failure.kind) for failure in failures if failure is not None)
    return frozenset(cause for cause in causes if cause is not None)


def _next(journey: Journey, now: datetime, openings: Openings) -> tuple[Journey, Step]:
    """Whom to ask: who is stayed with, or the first to be free; of several, in the plan's order, round by round."""
    if not journey.deadline.allows(now):
        return _expire(journey)
    view = View(journey, now, openings)
    open_ = [journey.here] if view.stays() else _open(journey)
    if not open_:
        return _give_up(journey, journey.last)
    first = min(open_, key=view.order)
    if view.free_at(first) <= now:
        return _enter(view, first, open_)
    if not journey.deadline.allows(view.free_at(first)):
        return _give_up(journey, journey.last)
    return journey, Wait(view.free_at(first), journey.last.kind if journey.last else FailureKind.RATE_LIMITED)


def _enter(view: View, first: int, open_: list[int]) -> tuple[Journey, Step]:
    """Call the first, or else another of the same model that is not full, or stand in line for all of these."""
    journey, candidates = view.journey, view.journey.plan.candidates
    same = [index for index in open_ if candidates[index].serves == candidates[first].serves]
    ready = sorted((index for index in same if view.free_at(index) <= view.now), key=view.order)
    for index in ready:
        if not view.is_full(index):
            return _call(journey, index)
    until = min([journey.deadline.at, *(view.free_at(index) for index in same if index not in ready)])
    return journey, Queue(tuple(candidates[index] for index in ready), until)


def _call(journey: Journey, index: int) -> tuple[Journey, Step]:
    candidate = journey.plan.candidates[index]
    resume = journey.shown and journey.resumable and candidate.prefill and journey.policy is Interruption.CONTINUE
    call = Call(candidate, journey.attempts + 1, resume)
    journey = replace(journey, here=index, staying=False, attempts=call.attempt)
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
