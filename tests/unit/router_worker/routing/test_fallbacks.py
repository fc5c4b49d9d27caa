"""Which fallbacks a failure opens."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.router_worker.failures import Cause, Failure, FailureKind
from services.router_worker.resilience.reactions import cause_of
from services.router_worker.routing.journey import AttemptFailed, Call, GiveUp, Step, advance, begin
from services.router_worker.routing.plan import Candidate, Plan, Skipped
from shared.config.schema import Retries, Timeouts
from shared.contracts import Interruption

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
RETRIES = Retries(per_deployment=0, rounds=1)


def a_candidate(serves: str, *after: Cause) -> Candidate:
    return replace(Candidate(serves, serves, serves, serves, Timeouts()), after=frozenset(after))


OWN = a_candidate("own")
LONG = a_candidate("long", Cause.CONTEXT_TOO_LONG)
MILD = a_candidate("mild", Cause.CONTENT_FILTER)
SPARE = a_candidate("spare", Cause.OUTAGE)
PLAN = Plan((OWN, LONG, MILD, SPARE))


def after(*kinds: FailureKind, plan: Plan = PLAN) -> Step:
    journey, step = begin(plan, Interruption.RESTART, RETRIES, NOON + timedelta(minutes=10), NOON)
    for kind in kinds:
        journey, step = advance(journey, AttemptFailed(Failure(kind, kind), NOON, 0.5))
    return step


@pytest.mark.parametrize(
    ("kind", "answers"),
    [
        (FailureKind.CONTEXT_TOO_LONG, LONG),
        (FailureKind.TOO_LARGE, LONG),
        (FailureKind.CONTENT_FILTER, MILD),
        (FailureKind.CONNECT, SPARE),
        (FailureKind.SERVER_ERROR, SPARE),
        (FailureKind.RATE_LIMITED, SPARE),
        (FailureKind.AUTH, SPARE),
    ],
)
def test_each_kind_of_failure_has_its_fallback(kind: FailureKind, answers: Candidate) -> None:
    assert after(kind) == Call(answers, 2)


def test_what_has_not_happened_opens_nothing() -> None:
    step = after(FailureKind.CONTENT_FILTER, plan=Plan((OWN, LONG, SPARE)))
    assert isinstance(step, GiveUp)
    assert step.failure.kind is FailureKind.CONTENT_FILTER


def test_a_fallback_that_fails_in_its_own_way_opens_the_next() -> None:
    assert after(FailureKind.CONTEXT_TOO_LONG, FailureKind.CONTENT_FILTER) == Call(MILD, 3)


def test_a_request_of_its_own_fault_opens_nothing() -> None:
    assert isinstance(after(FailureKind.BAD_REQUEST), GiveUp)


def test_what_was_known_to_be_too_long_begins_with_the_fallback_for_it() -> None:
    skipped = Skipped("own", "", Failure(FailureKind.CONTEXT_TOO_LONG, ""))
    assert after(plan=Plan((LONG, SPARE), (skipped,))) == Call(LONG, 1)


def test_fallbacks_for_what_did_not_happen_do_not_begin_a_journey() -> None:
    skipped = Skipped("own", "", Failure(FailureKind.FORBIDDEN, "nobody may"))
    step = after(plan=Plan((LONG, SPARE), (skipped,)))
    assert isinstance(step, GiveUp)
    assert step.failure.kind is FailureKind.FORBIDDEN


def test_only_what_another_model_could_do_better_opens_fallbacks() -> None:
    closed = {kind for kind in FailureKind if cause_of(kind) is None}
    assert closed == {
        FailureKind.BAD_REQUEST,
        FailureKind.UNSUPPORTED,
        FailureKind.FORBIDDEN,
        FailureKind.BODY_LOST,
        FailureKind.DEADLINE,
    }
