"""Where a job goes when deployments are at their limit."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.router_worker.failures import Cause, Failure, FailureKind
from services.router_worker.resilience.not_now import NotNow
from services.router_worker.routing.journey import Journey, advance, begin
from services.router_worker.routing.plan import Candidate, Plan
from services.router_worker.routing.steps import (
    Admitted,
    AttemptFailed,
    Call,
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
    Wait,
    Waited,
)
from shared.config.schema import Retries, Timeouts
from shared.contracts import Interruption

FOR_EVER = datetime.max.replace(tzinfo=UTC)
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
RETRIES = Retries(per_deployment=1, base_delay_seconds=1, max_delay_seconds=8, rounds=2)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def a_candidate(name: str, *, serves: str = "m") -> Candidate:
    return Candidate(name, name, name, serves, Timeouts())


A, B = a_candidate("a"), a_candidate("b")


def begun(*candidates: Candidate, openings: Openings, seconds: float = 600) -> tuple[Journey, Step]:
    return begin(Plan(candidates), Interruption.RESTART, RETRIES, at(seconds), NOON, openings=openings)


def full(*names: str) -> Openings:
    return Openings(full=dict.fromkeys(names))


def not_now(seconds: float, kind: FailureKind = FailureKind.RATE_LIMITED) -> NotNow:
    return NotNow(at(seconds), Failure(kind, "not now"))


def test_a_deployment_that_others_know_to_be_parked_is_not_asked() -> None:
    parked = Openings(parked={"a": not_now(30)})
    assert begun(A, B, openings=parked)[1] == Call(B, 1)
    assert begun(A, openings=parked)[1] == Wait(at(30), FailureKind.RATE_LIMITED)


def test_a_deployment_that_is_not_full_is_preferred_to_waiting_for_one_that_is() -> None:
    assert begun(A, B, openings=full("a"))[1] == Call(B, 1)


def test_when_all_are_full_the_job_stands_in_every_line_and_goes_where_it_is_let_in() -> None:
    journey, step = begun(A, B, openings=full("a", "b"))
    assert step == Queue((A, B), at(600))
    assert advance(journey, Admitted("b", at(3)))[1] == Call(B, 1)


def test_another_model_is_not_asked_because_this_one_is_full() -> None:
    other = a_candidate("other", serves="smaller")
    assert begun(A, other, openings=full("a"))[1] == Queue((A,), at(600))


def test_the_line_is_left_when_another_deployment_returns() -> None:
    openings = Openings(parked={"a": not_now(30)}, full={"b": None})
    journey, step = begun(A, B, openings=openings)
    assert step == Queue((B,), at(30))
    assert advance(journey, Waited(at(30)), full("b"))[1] == Call(A, 1)


def test_a_job_does_not_stay_in_line_beyond_its_deadline() -> None:
    journey, step = begun(A, openings=full("a"), seconds=10)
    assert step == Queue((A,), at(10))
    for late in (Waited(at(10)), Admitted("a", at(10))):
        end = advance(journey, late, full("a"))[1]
        assert isinstance(end, GiveUp)
        assert end.outcome is Outcome.EXPIRED


def test_a_retry_goes_elsewhere_when_its_deployment_is_full_by_then() -> None:
    failure = AttemptFailed(Failure(FailureKind.SERVER_ERROR, "no"), at(0), 0.5)
    journey, _ = advance(begun(A, B, openings=full())[0], failure)
    assert advance(journey, Waited(at(0.5)), full("a"))[1] == Call(B, 2)


def test_readers_are_told_of_a_restart_only_when_the_job_is_let_in() -> None:
    shown, _ = advance(begun(A, openings=full())[0], FirstOutput(at(0)))
    shown, _ = advance(begun(A, openings=full())[0], FirstOutput(at(0)))
    journey, step = advance(shown, AttemptFailed(Failure(FailureKind.CUT, "cut"), at(1), 0.0), full("a"))
    assert step == Queue((A,), at(600))
    assert advance(journey, Admitted("a", at(2)))[1] == Restart(Call(A, 2))


def test_a_job_waits_for_one_that_is_left_alone_as_often_as_there_are_rounds_then_fails_with_the_reason() -> None:
    journey, step = begun(A, openings=Openings(parked={"a": not_now(5, FailureKind.CONNECT)}))
    assert step == Wait(at(5), FailureKind.CONNECT)
    journey, step = advance(journey, Waited(at(5)), Openings(parked={"a": not_now(15, FailureKind.CONNECT)}))
    assert step == Wait(at(15), FailureKind.CONNECT)
    _, step = advance(journey, Waited(at(15)), Openings(parked={"a": not_now(30, FailureKind.CONNECT)}))
    assert step == GiveUp(Failure(FailureKind.CONNECT, "not now"), Outcome.FAILED)


def test_it_is_called_as_soon_as_it_is_left_alone_no_longer_however_often_the_job_has_waited() -> None:
    journey, _ = begun(A, openings=Openings(parked={"a": not_now(5, FailureKind.CONNECT)}))
    journey, _ = advance(journey, Waited(at(5)), Openings(parked={"a": not_now(15, FailureKind.CONNECT)}))
    assert advance(journey, Waited(at(15)))[1] == Call(A, 1)


def test_waiting_for_a_limit_is_free() -> None:
    journey, step = begun(A, openings=Openings(parked={"a": not_now(1)}))
    for second in range(1, 20):
        assert step == Wait(at(second), FailureKind.RATE_LIMITED)
        journey, step = advance(journey, Waited(at(second)), Openings(parked={"a": not_now(second + 1)}))


def test_having_waited_for_a_limit_costs_no_patience_with_what_is_left_alone() -> None:
    journey, _ = begun(A, openings=Openings(parked={"a": not_now(1)}))
    for second in (1, 2, 3):
        journey, _ = advance(journey, Waited(at(second)), Openings(parked={"a": not_now(second + 1)}))
    alone = Openings(parked={"a": not_now(9, FailureKind.CONNECT)})
    assert advance(journey, Waited(at(4)), alone)[1] == Wait(at(9), FailureKind.CONNECT)


def test_nobody_waits_for_a_key_that_is_no_good() -> None:
    dead = Openings(parked={"a": NotNow(FOR_EVER, Failure(FailureKind.AUTH, "no key"))})
    assert begun(A, openings=dead)[1] == GiveUp(Failure(FailureKind.AUTH, "no key"), Outcome.FAILED)
    assert begun(A, B, openings=dead)[1] == Call(B, 1)


def test_a_deployment_that_is_left_alone_opens_the_fallbacks_for_an_outage() -> None:
    spare = replace(a_candidate("spare", serves="smaller"), after=frozenset({Cause.OUTAGE}))
    alone = Openings(parked={"a": not_now(5, FailureKind.CONNECT)})
    assert begun(A, spare, openings=alone)[1] == Call(spare, 1)
    assert begun(A, spare, openings=full())[1] == Call(A, 1)


def test_a_job_that_has_stood_in_line_for_long_enough_goes_to_another_model() -> None:
    other = a_candidate("other", serves="smaller")
    crowded = Openings(full={"a": 5})
    journey, step = begun(A, other, openings=crowded)
    assert step == Queue((A,), at(5))
    journey, step = advance(journey, Waited(at(4)), crowded)
    assert step == Queue((A,), at(5)), "it has waited for four of them already"
    assert advance(journey, Waited(at(5)), crowded)[1] == Call(other, 1)


def test_a_job_that_has_nowhere_else_to_go_stays_in_line() -> None:
    journey, step = begun(A, B, openings=Openings(full={"a": 5, "b": 5}))
    assert step == Queue((A, B), at(600))
    assert advance(journey, Waited(at(9)), Openings(full={"a": 5, "b": 5}))[1] == Queue((A, B), at(600))


def test_a_job_does_not_leave_the_line_for_a_model_that_cannot_be_called_either() -> None:
    other = a_candidate("other", serves="smaller")
    world = Openings(full={"a": 5}, parked={"other": not_now(30)})
    journey, step = begun(A, other, openings=world)
    assert step == Queue((A,), at(30))
    assert advance(journey, Waited(at(10)), world)[1] == Queue((A,), at(30))


def test_nobody_stays_with_a_deployment_that_others_have_found_broken_meanwhile() -> None:
    failure = AttemptFailed(Failure(FailureKind.SERVER_ERROR, "no"), at(0), 0.5)
    journey, _ = begun(A, B, openings=full())
    alone = Openings(parked={"a": not_now(30, FailureKind.SERVER_ERROR)})
    assert advance(journey, failure, alone)[1] == Call(B, 2)


def test_beside_a_slow_call_another_deployment_of_the_same_model_is_called() -> None:
    other = a_candidate("other", serves="smaller")
    journey, _ = begun(A, other, B, openings=full())
    journey, step = advance(journey, Slow(at(1)))
    assert step == Hedge(Call(B, 2))
    journey, step = advance(journey, Overtaken())
    assert step == Listen()
    journey, step = advance(journey, AttemptFailed(Failure(FailureKind.OVERLOADED, "no"), at(2), 0.5))
    assert step == Call(A, 3), "what fails from here on is the second call"


def failed(kind: FailureKind, seconds: float = 0) -> AttemptFailed:
    return AttemptFailed(Failure(kind, "no", retry_after=timedelta(seconds=seconds)), at(2), 0.0)


@pytest.mark.parametrize(("first", "then"), [(FailureKind.AUTH, None), (FailureKind.RATE_LIMITED, at(62))])
def test_when_both_calls_fail_neither_of_them_is_forgotten(first: FailureKind, then: datetime | None) -> None:
    journey, _ = begun(A, B, openings=full())
    journey, _ = advance(journey, Slow(at(1)))
    journey, _ = advance(journey, Overtaken())
    journey, step = advance(journey, OtherFailed(failed(first, 60)))
    assert step == Listen()
    journey, step = advance(journey, failed(FailureKind.MODEL_NOT_FOUND))
    match step:
        case Wait():
            assert step.until == then
        case _:
            assert then is None
            assert isinstance(step, GiveUp)


def test_the_second_call_may_fail_while_the_first_goes_on_and_is_not_asked_for_the_same_again() -> None:
    journey, _ = begun(A, B, openings=full())
    journey, _ = advance(journey, Slow(at(1)))
    journey, _ = advance(journey, OtherFailed(failed(FailureKind.MODEL_NOT_FOUND)))
    _, step = advance(journey, failed(FailureKind.OVERLOADED))
    assert step == Call(A, 3), "only the first is left"


def test_a_fallback_for_what_only_the_other_call_met_is_open() -> None:
    other = replace(a_candidate("other", serves="larger"), after=frozenset({Cause.CONTEXT_TOO_LONG}))
    journey, _ = begun(A, B, other, openings=full())
    journey, _ = advance(journey, Slow(at(1)))
    journey, _ = advance(journey, Overtaken())
    journey, _ = advance(journey, OtherFailed(failed(FailureKind.CONTEXT_TOO_LONG)))
    assert advance(journey, failed(FailureKind.MODEL_NOT_FOUND))[1] == Call(other, 3)


def test_nobody_is_called_beside_a_slow_call_who_is_full_or_not_to_be_called_or_the_only_one() -> None:
    journey, _ = begun(A, B, openings=full())
    for world in (full("b"), Openings(parked={"b": not_now(5)})):
        assert advance(journey, Slow(at(1)), world)[1] == Listen()
    alone, _ = begun(A, openings=full())
    assert advance(alone, Slow(at(1)))[1] == Listen()


@pytest.mark.parametrize("kind", [FailureKind.AUTH, FailureKind.RATE_LIMITED, FailureKind.QUOTA_EXHAUSTED])
def test_a_job_that_fails_by_its_key_goes_on_with_another_one_at_once(kind: FailureKind) -> None:
    refused = AttemptFailed(Failure(kind, "no", retry_after=timedelta(seconds=60)), at(0), 0.5, another_key=True)
    journey, step = advance(begun(A, B, openings=full())[0], refused)
    assert step == Call(A, 2)
    last = AttemptFailed(Failure(kind, "no"), at(1), 0.5, another_key=False)
    assert advance(journey, last)[1] == Call(B, 3)


def test_another_key_does_not_help_against_what_is_not_the_keys_fault() -> None:
    overloaded = AttemptFailed(Failure(FailureKind.OVERLOADED, "no"), at(0), 0.5, another_key=True)
    assert advance(begun(A, B, openings=full())[0], overloaded)[1] == Call(B, 2)
