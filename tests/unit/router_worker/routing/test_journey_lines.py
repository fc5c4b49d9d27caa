"""Where a job goes when deployments are at their limit."""

from datetime import UTC, datetime, timedelta

from services.router_worker.failures import Failure, FailureKind
from services.router_worker.routing.journey import Journey, advance, begin
from services.router_worker.routing.plan import Candidate, Plan
from services.router_worker.routing.steps import (
    Admitted,
    AttemptFailed,
    Call,
    FirstOutput,
    GiveUp,
    Openings,
    Outcome,
    Queue,
    Restart,
    Step,
    Wait,
    Waited,
)
from shared.config.schema import Retries, Timeouts
from shared.contracts import Interruption

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
    return Openings(full=frozenset(names))


def test_a_deployment_that_others_know_to_be_parked_is_not_asked() -> None:
    parked = Openings(parked={"a": at(30)})
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
    openings = Openings(parked={"a": at(30)}, full=frozenset("b"))
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
