"""How does a failure change a job's standing with its candidates, and who may still be asked? For `journey.py`."""

from dataclasses import replace
from datetime import timedelta
from typing import assert_never

from services.router_worker.failures import Cause, Failure
from services.router_worker.resilience.backoff import parking, pause
from services.router_worker.resilience.reactions import REACTIONS, Blame, Then, cause_of
from services.router_worker.routing.standing import Journey, Standing
from services.router_worker.routing.steps import AttemptFailed

__all__ = ["causes_of", "judged", "open_to"]


def judged(journey: Journey, event: AttemptFailed, then: Then) -> Journey:
    """The journey after a failure has changed the standings."""
    if event.another_key and REACTIONS[event.failure.kind].blame is Blame.KEY:
        return replace(journey, staying=True)
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
    alone = open_to(journey) == [journey.here]
    stays = then is not Then.LEAVE and (alone or (then is Then.RETRY and not asked_for))
    if stays and failed.tries <= journey.retries.per_deployment:
        return replace(_stand(journey, failed), staying=True)
    return _stand(journey, replace(failed, tries=0, rounds=failed.rounds + 1))


def _stand(journey: Journey, standing: Standing) -> Journey:
    """The candidate that was asked last now stands like this, and others may be asked."""
    standings = (*journey.standings[: journey.here], standing, *journey.standings[journey.here + 1 :])
    return replace(journey, standings=standings, staying=False)


def open_to(journey: Journey) -> list[int]:
    """The candidates that may still be asked, now or later."""
    return [
        index
        for index, standing in enumerate(journey.standings)
        if not standing.barred and standing.rounds < journey.retries.rounds and _is_due(journey, index)
    ]


def _is_due(journey: Journey, index: int) -> bool:
    """A fallback for one kind of failure waits until that has happened."""
    after = journey.plan.candidates[index].after
    return not after or not after.isdisjoint(journey.met)


def causes_of(*failures: Failure | None) -> frozenset[Cause]:
    causes = (cause_of(failure.kind) for failure in failures if failure is not None)
    return frozenset(cause for cause in causes if cause is not None)
