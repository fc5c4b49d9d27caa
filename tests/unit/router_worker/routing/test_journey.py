"""What the journey decides, one situation at a time."""

from datetime import UTC, datetime, timedelta

import pytest

from services.router_worker.failures import Failure, FailureKind, Unsupported
from services.router_worker.routing.journey import Journey, advance, begin
from services.router_worker.routing.plan import Candidate, Plan, Skipped
from services.router_worker.routing.steps import (
    AttemptFailed,
    Call,
    FirstOutput,
    GiveUp,
    Listen,
    Outcome,
    Restart,
    Step,
    Succeed,
    Succeeded,
    Wait,
    Waited,
)
from shared.config.schema import Retries, Timeouts
from shared.contracts import Interruption

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
RETRIES = Retries(per_deployment=1, base_delay_seconds=1, max_delay_seconds=8, rounds=2)

Travel = tuple[Journey, Step]


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def a_candidate(name: str, *, serves: str = "m", prefill: bool = False) -> Candidate:
    return Candidate(name, name, name, serves, Timeouts(), prefill=prefill)


A, B = a_candidate("a"), a_candidate("b")


def begun(
    *candidates: Candidate,
    policy: Interruption = Interruption.RESTART,
    retries: Retries = RETRIES,
    seconds: float = 600,
    shown: bool = False,
) -> Travel:
    return begin(Plan(candidates), policy, retries, at(seconds), NOON, shown=shown)


def failed(
    travel: Travel,
    kind: FailureKind,
    seconds: float = 0,
    *,
    retry_after: float | None = None,
    jitter: float = 0.5,
    resumable: bool = True,
) -> Travel:
    wait = None if retry_after is None else timedelta(seconds=retry_after)
    failure = Failure(kind, f"it was {kind}", retry_after=wait)
    return advance(travel[0], AttemptFailed(failure, at(seconds), jitter, resumable))


def shown(travel: Travel, seconds: float = 0) -> Travel:
    journey, step = advance(travel[0], FirstOutput(at(seconds)))
    assert step == Listen()
    return journey, step


def waited(travel: Travel) -> Travel:
    step = travel[1]
    assert isinstance(step, Wait)
    return advance(travel[0], Waited(step.until))


def given_up(travel: Travel) -> GiveUp:
    step = travel[1]
    assert isinstance(step, GiveUp)
    return step


def test_the_first_candidate_is_called_first() -> None:
    assert begun(A, B)[1] == Call(A, 1)


def test_attempts_are_counted_on_behind_those_of_an_earlier_worker() -> None:
    step = begin(Plan((A,)), Interruption.RESTART, RETRIES, at(60), NOON, attempts_so_far=3)[1]
    assert step == Call(A, 4)


def test_a_success_is_the_end() -> None:
    journey, _ = begun(A)
    assert advance(journey, Succeeded(at(1)))[1] == Succeed()


def test_a_plan_without_candidates_is_given_up() -> None:
    assert given_up(begun()).failure.kind is FailureKind.MODEL_NOT_FOUND


def test_a_request_that_nobody_could_be_asked_for_is_given_up_with_what_it_is() -> None:
    skipped = Skipped("north/m", "", Unsupported("seed", "is nothing that North could be asked for").failure)
    step = begin(Plan((), (skipped,)), Interruption.RESTART, RETRIES, at(60), NOON)[1]
    assert isinstance(step, GiveUp)
    assert (step.failure.kind, step.failure.param) == (FailureKind.UNSUPPORTED, "seed")


def test_a_server_error_is_tried_again_at_the_same_deployment_after_a_pause() -> None:
    travel = failed(begun(A, B), FailureKind.SERVER_ERROR)
    assert travel[1] == Wait(at(0.5), FailureKind.SERVER_ERROR)
    assert waited(travel)[1] == Call(A, 2)


def test_a_pause_that_was_cut_short_goes_on() -> None:
    journey, step = failed(begun(A, B), FailureKind.SERVER_ERROR)
    assert advance(journey, Waited(at(0.1)))[1] == step


def test_the_next_deployment_follows_at_once_when_patience_with_one_is_over() -> None:
    travel = waited(failed(begun(A, B), FailureKind.SERVER_ERROR))
    assert failed(travel, FailureKind.SERVER_ERROR, 2)[1] == Call(B, 3)


def test_pauses_grow_with_the_failures_of_a_deployment() -> None:
    travel = begun(A, retries=Retries(per_deployment=9, base_delay_seconds=1, max_delay_seconds=4))
    pauses = []
    for _ in range(4):
        now = travel[1].until if isinstance(travel[1], Wait) else NOON
        travel = waited(travel) if isinstance(travel[1], Wait) else travel
        travel = failed(travel, FailureKind.SERVER_ERROR, (now - NOON).total_seconds(), jitter=0.999999)
        assert isinstance(travel[1], Wait)
        pauses.append(round((travel[1].until - now).total_seconds()))
    assert pauses == [1, 2, 4, 4]


@pytest.mark.parametrize("kind", [FailureKind.CONNECT, FailureKind.OVERLOADED, FailureKind.FIRST_TOKEN_TIMEOUT])
def test_no_time_is_lost_on_a_deployment_that_is_down_when_there_is_another(kind: FailureKind) -> None:
    assert failed(begun(A, B), kind)[1] == Call(B, 2)


def test_the_only_deployment_is_tried_again_when_it_is_down() -> None:
    travel = failed(begun(A), FailureKind.CONNECT)
    assert waited(travel)[1] == Call(A, 2)


def test_the_plan_is_walked_as_often_as_there_are_rounds() -> None:
    travel = begun(A, B, retries=Retries(per_deployment=0, rounds=2))
    called = []
    for second in range(100):
        match travel[1]:
            case Call(candidate):
                called.append(candidate.name)
                travel = failed(travel, FailureKind.STALL, second, jitter=0)
            case Wait():
                travel = waited(travel)
            case _:
                break
    assert called == ["a", "b", "a", "b"]
    assert given_up(travel) == GiveUp(Failure(FailureKind.STALL, "it was stall"), Outcome.FAILED)


@pytest.mark.parametrize("kind", [FailureKind.AUTH, FailureKind.MODEL_NOT_FOUND, FailureKind.QUOTA_EXHAUSTED])
def test_a_deployment_that_cannot_help_is_not_asked_again(kind: FailureKind) -> None:
    travel = failed(begun(A, B), kind)
    assert travel[1] == Call(B, 2)
    travel = failed(travel, kind)
    assert given_up(travel).outcome is Outcome.FAILED


def test_a_bad_request_ends_the_job_at_once() -> None:
    assert given_up(failed(begun(A, B), FailureKind.BAD_REQUEST)).failure.kind is FailureKind.BAD_REQUEST


@pytest.mark.parametrize("kind", [FailureKind.CONTEXT_TOO_LONG, FailureKind.CONTENT_FILTER])
def test_what_one_model_refuses_goes_to_a_fallback_model_only(kind: FailureKind) -> None:
    other = a_candidate("c", serves="n")
    travel = failed(begun(A, B, other), kind)
    assert travel[1] == Call(other, 2)
    assert given_up(failed(begun(A, B), kind)).failure.kind is kind


def test_a_rate_limit_parks_the_deployment_and_not_the_job() -> None:
    assert failed(begun(A, B), FailureKind.RATE_LIMITED, retry_after=30)[1] == Call(B, 2)


def test_the_job_waits_for_the_first_deployment_to_return_when_all_are_parked() -> None:
    travel = failed(begun(A, B), FailureKind.RATE_LIMITED, retry_after=30, jitter=0)
    travel = failed(travel, FailureKind.RATE_LIMITED, retry_after=10, jitter=0)
    assert travel[1] == Wait(at(10), FailureKind.RATE_LIMITED)
    assert waited(travel)[1] == Call(B, 3)


def test_rate_limits_cost_no_round() -> None:
    travel = begun(A, retries=Retries(per_deployment=0, rounds=1))
    for second in range(0, 500, 10):
        travel = failed(travel, FailureKind.RATE_LIMITED, second, retry_after=9, jitter=0)
        travel = waited(travel)
    assert isinstance(travel[1], Call)


def test_a_rate_limit_that_outlasts_the_deadline_ends_the_job_now() -> None:
    travel = failed(begun(A, seconds=60), FailureKind.RATE_LIMITED, retry_after=61)
    assert given_up(travel).failure.kind is FailureKind.RATE_LIMITED
    assert given_up(travel).outcome is Outcome.FAILED


def test_a_provider_that_says_retry_at_once_is_not_asked_in_a_loop() -> None:
    step = failed(begun(A), FailureKind.RATE_LIMITED, retry_after=0, jitter=0)[1]
    assert step == Wait(at(0.5), FailureKind.RATE_LIMITED)


def test_an_overloaded_server_is_left_alone_as_long_as_it_asks() -> None:
    travel = failed(begun(A), FailureKind.OVERLOADED, retry_after=20)
    assert travel[1] == Wait(at(20), FailureKind.OVERLOADED)


def test_a_server_error_that_asks_for_time_is_not_waited_for_when_another_deployment_is_free() -> None:
    assert failed(begun(A, B), FailureKind.SERVER_ERROR, retry_after=20)[1] == Call(B, 2)


def test_a_job_whose_deadline_has_passed_is_not_begun() -> None:
    assert given_up(begun(A, seconds=0)).outcome is Outcome.EXPIRED


def test_a_failure_after_the_deadline_expires_the_job_and_says_what_happened() -> None:
    step = given_up(failed(begun(A, seconds=60), FailureKind.SERVER_ERROR, 60))
    assert step.outcome is Outcome.EXPIRED
    assert "it was server_error" in step.failure.message


def test_the_deadline_striking_in_an_attempt_expires_the_job() -> None:
    assert given_up(failed(begun(A, B, seconds=60), FailureKind.DEADLINE, 59.999)).outcome is Outcome.EXPIRED


def test_a_pause_that_would_outlast_the_deadline_is_not_begun() -> None:
    step = given_up(failed(begun(A, seconds=0.4), FailureKind.SERVER_ERROR))
    assert step.failure.kind is FailureKind.SERVER_ERROR


def test_another_deployment_is_asked_when_there_is_no_time_for_the_pause() -> None:
    assert failed(begun(A, B, seconds=0.4), FailureKind.SERVER_ERROR)[1] == Call(B, 2)


def test_failover_before_the_first_output_is_silent() -> None:
    assert failed(begun(A, B, policy=Interruption.FAIL), FailureKind.STALL)[1] == Call(B, 2)


def test_a_shown_answer_that_broke_is_restarted_and_readers_are_told() -> None:
    assert failed(shown(begun(A, B)), FailureKind.STALL)[1] == Restart(Call(B, 2))


def test_readers_are_told_only_once_when_the_restarted_attempt_shows_nothing() -> None:
    travel = failed(shown(begun(A, B, a_candidate("c"))), FailureKind.STALL)
    assert failed(travel, FailureKind.STALL)[1] == Call(a_candidate("c"), 3)


def test_a_shown_answer_that_broke_fails_when_that_is_the_policy() -> None:
    travel = failed(shown(begun(A, B, policy=Interruption.FAIL)), FailureKind.CUT)
    assert given_up(travel) == GiveUp(Failure(FailureKind.CUT, "it was cut"), Outcome.FAILED)


def test_a_shown_answer_is_continued_where_the_next_deployment_can() -> None:
    able = a_candidate("b", prefill=True)
    travel = failed(shown(begun(A, able, policy=Interruption.CONTINUE)), FailureKind.STALL)
    assert travel[1] == Call(able, 2, resume=True)


def test_a_shown_answer_is_restarted_where_the_next_deployment_cannot_continue_it() -> None:
    travel = failed(shown(begun(A, B, policy=Interruption.CONTINUE)), FailureKind.STALL)
    assert travel[1] == Restart(Call(B, 2))


def test_an_answer_that_is_more_than_text_is_restarted_rather_than_continued() -> None:
    able = a_candidate("b", prefill=True)
    travel = failed(shown(begun(A, able, policy=Interruption.CONTINUE)), FailureKind.STALL, resumable=False)
    assert travel[1] == Restart(Call(able, 2))


def test_a_continued_answer_that_breaks_before_its_first_output_is_continued_again() -> None:
    able, other = a_candidate("b", prefill=True), a_candidate("c", prefill=True)
    travel = failed(shown(begun(A, able, other, policy=Interruption.CONTINUE)), FailureKind.STALL)
    assert failed(travel, FailureKind.STALL)[1] == Call(other, 3, resume=True)


def test_what_a_dead_worker_had_shown_is_declared_void() -> None:
    assert begun(A, shown=True)[1] == Restart(Call(A, 1))


def test_what_a_dead_worker_had_shown_cannot_be_restarted_when_the_policy_is_to_fail() -> None:
    assert given_up(begun(A, shown=True, policy=Interruption.FAIL)).failure.kind is FailureKind.CUT
