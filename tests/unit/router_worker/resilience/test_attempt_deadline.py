"""Which limit ends an attempt's wait first."""

from datetime import UTC, datetime, timedelta

from services.router_worker.failures import FailureKind
from services.router_worker.resilience.deadline import Deadline, Limit, Patience
from shared.config.schema import Timeouts

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
TIMEOUTS = Timeouts(first_token_seconds=60, between_tokens_seconds=30, total_seconds=600)


def test_nothing_may_begin_at_the_deadline() -> None:
    assert Deadline(NOON).allows(NOON - timedelta(microseconds=1))
    assert not Deadline(NOON).allows(NOON)


def test_the_time_left_is_never_negative() -> None:
    assert Deadline(NOON).seconds_left(NOON - timedelta(seconds=2)) == 2
    assert Deadline(NOON).seconds_left(NOON + timedelta(seconds=2)) == 0


def test_the_first_token_is_waited_for_as_long_as_configured() -> None:
    assert Patience.of(TIMEOUTS, 1000, started=10).first_token == Limit(70, FailureKind.FIRST_TOKEN_TIMEOUT)


def test_a_near_deadline_comes_before_every_other_limit() -> None:
    patience = Patience.of(TIMEOUTS, 20, started=10)
    assert patience.first_token == patience.whole == patience.next_token(29) == Limit(30, FailureKind.DEADLINE)


def test_the_whole_attempt_ends_with_its_own_limit_when_the_deadline_is_far() -> None:
    assert Patience.of(TIMEOUTS, 1000, started=10).whole == Limit(610, FailureKind.TOTAL_TIMEOUT)


def test_the_next_token_is_waited_for_from_the_last_one() -> None:
    patience = Patience.of(TIMEOUTS, 1000, started=10)
    assert patience.next_token(100) == Limit(130, FailureKind.STALL)
    assert patience.next_token(600) == patience.whole
