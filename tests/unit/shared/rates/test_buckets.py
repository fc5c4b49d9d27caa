"""The bucket against a textbook one in exact fractions, and against what it promises of those who can wait."""

from dataclasses import dataclass
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from shared.rates import MINUTE_MS, UNIT, Bucket, Refusal, Scope, State, Taken, full, missing_ms, refilled, take

LIMITS = st.integers(1, 5000)
STEPS = st.lists(st.tuples(st.integers(0, 90_000), st.integers(1, 40)), max_size=60)


@dataclass
class Textbook:
    """A bucket of `limit` that is refilled by `limit` a minute, evenly."""

    limit: int
    tokens: Fraction

    def later(self, ms: int) -> None:
        self.tokens = min(Fraction(self.limit), self.tokens + Fraction(self.limit * ms, MINUTE_MS))

    def take(self, count: int) -> bool:
        if self.tokens < count:
            return False
        self.tokens -= count
        return True


@given(LIMITS, STEPS)
def test_for_those_who_cannot_wait_it_is_a_textbook_bucket(limit: int, steps: list[tuple[int, int]]) -> None:
    exact, bucket = Textbook(limit, Fraction(limit)), full(limit)
    for ms, count in steps:
        exact.later(ms)
        bucket = refilled(bucket, limit, ms)
        granted = bucket.level >= count * UNIT
        assert exact.take(count) is granted
        if granted:
            bucket = Bucket(bucket.level - count * UNIT)
        assert Fraction(bucket.level, UNIT) == exact.tokens


@given(LIMITS, st.integers(0, 10**9), st.integers(0, 50), st.lists(st.integers(0, 40_000), max_size=8))
def test_how_time_is_cut_into_pieces_makes_no_difference_while_nothing_overflows(
    limit: int, owed: int, empty: int, pieces: list[int]
) -> None:
    bucket = Bucket(-empty * limit * UNIT - sum(pieces) * limit * 8, owed)
    at_once = refilled(bucket, limit, sum(pieces))
    for ms in pieces:
        bucket = refilled(bucket, limit, ms)
    assert bucket == at_once


@given(LIMITS, st.integers(-(10**9), 10**9), st.integers(0, 10**10), st.integers(1, 100))
def test_the_time_it_names_is_the_first_at_which_there_is_enough(limit: int, level: int, owed: int, count: int) -> None:
    bucket = Bucket(min(level, limit * UNIT), owed)
    ms = missing_ms(bucket, limit, count * UNIT)
    if ms is None:
        assert count > limit
        return
    assert refilled(bucket, limit, ms).level >= count * UNIT
    assert ms == 0 or refilled(bucket, limit, ms - 1).level < count * UNIT


JOBS = st.lists(st.tuples(st.integers(0, 3000), st.booleans()), min_size=1, max_size=80)


@given(st.integers(1, 600), JOBS)
def test_in_no_time_more_begins_than_the_limit_allows(limit: int, jobs: list[tuple[int, bool]]) -> None:
    """Those who wait included, at the moment at which they may begin."""
    scope, state, now, began = Scope("key:a", requests=limit), State(0), 0, []
    for number, (ms, waits) in enumerate(jobs):
        now += ms
        found = take(
            [scope], [state], job=str(number), tokens=0, now_ms=now, patience_ms=10**9 if waits else None, place_ms=1
        )
        (state,) = found.states
        if isinstance(found, Taken):
            began.append(now + found.wait_ms)
    began.sort()
    for first in range(len(began)):
        for last in range(first, len(began)):
            # A wait is rounded up to a millisecond: each may come one nearer to the one before.
            span = began[last] - began[first] + (last - first) + 1
            assert last - first + 1 <= limit + Fraction(limit * span, MINUTE_MS)


@given(st.integers(60, 600), st.integers(100, 5000))
def test_a_long_line_of_those_who_wait_leaves_room_for_somebody_who_does_not(limit: int, line: int) -> None:
    scope = Scope("key:a", requests=limit)
    state, now = State(0), 0
    for number in range(min(line, 3 * limit)):
        found = take([scope], [state], job=str(number), tokens=0, now_ms=now, patience_ms=10**9, place_ms=1)
        (state,) = found.states
    # A ninth of the rate is a little less than the eighth that is kept.
    served = 0
    for number in range(40):
        now += 9 * MINUTE_MS // limit
        found = take([scope], [state], job=f"i{number}", tokens=0, now_ms=now, patience_ms=None, place_ms=1)
        (state,) = found.states
        served += isinstance(found, Taken)
    assert served == 40


def test_those_who_wait_begin_in_the_order_in_which_they_came() -> None:
    scope, state, waits = Scope("key:a", requests=60), State(0), []
    for number in range(200):
        found = take([scope], [state], job=str(number), tokens=0, now_ms=0, patience_ms=10**9, place_ms=1)
        assert isinstance(found, Taken)
        (state,) = found.states
        waits.append(found.wait_ms)
    assert waits[:60] == [0] * 60
    assert waits[60:] == sorted(waits[60:])
    assert waits[60] == 1143  # 8/7 of a second


def test_who_would_wait_too_long_is_told_when_to_come() -> None:
    scope, state = Scope("key:a", requests=60), State(0)
    for number in range(70):
        found = take([scope], [state], job=str(number), tokens=0, now_ms=0, patience_ms=10_000, place_ms=1)
        if isinstance(found, Refusal):
            break
        (state,) = found.states
    assert isinstance(found, Refusal)
    assert found.retry_ms is not None
    later = take([scope], found.states, job="x", tokens=0, now_ms=found.retry_ms, patience_ms=10_000, place_ms=1)
    assert isinstance(later, Taken)
