"""What of a call's end speaks for a deployment, what against it, and how much of a worker may it take?"""

from itertools import product

from services.router_worker.failures import Failure, FailureKind
from services.router_worker.resilience.breaker import Opened, State
from services.router_worker.resilience.guard import Guard
from services.router_worker.resilience.reactions import REACTIONS, Blame
from shared.config.patience import Breaker, Bulkhead

RULES = Breaker(failures_in_a_row=2, failure_rate=None, open_seconds=10, probes=1)


def calls(guard: Guard, kind: FailureKind | None, *, now: float = 100.0, answered: bool = False) -> None:
    era = guard.enter()
    if answered:
        guard.answered(era)
    failure = Failure(kind, "no") if kind else None
    against = kind is not None and REACTIONS[kind].blame is Blame.DEPLOYMENT
    guard.leave(era, failure, now, jitter=0.0, answered=answered, against=against)


def test_a_callers_own_error_neither_ends_a_row_of_failures_nor_closes_a_breaker() -> None:
    guard = Guard(RULES)
    for kind in (FailureKind.SERVER_ERROR, FailureKind.BAD_REQUEST, FailureKind.SERVER_ERROR):
        calls(guard, kind)
    assert guard.state(100) is State.OPEN
    calls(guard, FailureKind.BAD_REQUEST, now=105)
    assert guard.state(105) is State.HALF_OPEN


def test_a_call_that_was_stopped_before_its_answer_says_nothing() -> None:
    guard = Guard(RULES)
    calls(guard, FailureKind.SERVER_ERROR)
    calls(guard, None)
    calls(guard, FailureKind.SERVER_ERROR)
    assert guard.state(100) is State.OPEN


def test_the_first_output_closes_it_and_not_only_the_end() -> None:
    guard = Guard(RULES)
    guard.hear(Opened(5, 1, FailureKind.CUT), 100)
    assert guard.told(100) == Opened(5, 1, FailureKind.CUT)
    era = guard.enter()
    assert guard.room(105) == 0
    assert guard.answered(era)
    assert guard.state(105) is State.CLOSED
    assert guard.room(105) == float("inf")


def test_a_bulkhead_has_room_for_so_many_and_again_when_one_has_ended() -> None:
    guard = Guard(None, Bulkhead(calls=2, wait_seconds=3))
    eras = [guard.enter(), guard.enter()]
    assert guard.room(100) == 0
    assert guard.patience(100) == 3
    guard.leave(eras[0], None, 100, 0.0, answered=True, against=False)
    assert guard.room(100) == 1
    assert guard.patience(100) is None


def test_without_a_breaker_nothing_is_counted_or_heard() -> None:
    guard = Guard()
    for kind, _ in product(FailureKind, range(50)):
        calls(guard, kind)
    guard.hear(Opened(60, 1, FailureKind.CUT), 100)
    assert guard.state(100) is State.CLOSED
    assert guard.room(100) == float("inf")
