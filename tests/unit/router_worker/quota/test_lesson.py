"""What refusals teach the fleet: a fifth less at once, and all of it back in time."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.router_worker.quota.lesson import Lesson, Refusal, is_over, learned, rate_of, share_of

NOW = 1_000.0
KNOWN = Refusal("w1", begun_at=NOW, rate=20, limit_known=True)
UNKNOWN = replace(KNOWN, limit_known=False)


def after(lesson: Lesson | None, refusal: Refusal, seconds: float) -> Lesson:
    return learned(lesson, replace(refusal, begun_at=NOW + seconds - 0.1), NOW + seconds)


def test_a_refusal_takes_a_fifth_of_a_known_limit_and_time_gives_it_back() -> None:
    lesson = learned(None, KNOWN, NOW)
    assert share_of(lesson, NOW) == pytest.approx(0.8)
    assert share_of(lesson, NOW + 5) == pytest.approx(0.88)
    assert share_of(lesson, NOW + 60) == 1
    assert is_over(lesson, NOW + 60)


def test_a_refusal_right_behind_another_takes_half() -> None:
    lesson = after(learned(None, KNOWN, NOW), KNOWN, 1)
    assert share_of(lesson, NOW + 1) == pytest.approx(0.4, rel=0.05)


def test_calls_that_were_under_way_when_a_lesson_was_drawn_teach_nothing_new() -> None:
    lesson = learned(None, KNOWN, NOW)
    assert learned(lesson, replace(KNOWN, begun_at=NOW - 1), NOW + 2) == lesson


def test_nobody_calls_before_the_provider_said() -> None:
    lesson = learned(None, replace(KNOWN, retry_after=30), NOW)
    assert lesson.held_until == NOW + 30
    assert share_of(lesson, NOW + 30) == pytest.approx(0.8)
    assert learned(None, replace(KNOWN, retry_after=1e9), NOW).held_until == NOW + 600


def test_where_no_limit_is_known_what_all_workers_called_becomes_one() -> None:
    lesson = learned(None, UNKNOWN, NOW)
    for worker in ("w2", "w3", "w3"):
        lesson = learned(lesson, replace(UNKNOWN, worker=worker, begun_at=NOW - 1, rate=30), NOW + 0.5)
    assert rate_of(lesson, NOW) == pytest.approx(80 * 0.8)
    assert rate_of(learned(None, KNOWN, NOW), NOW) is None


def test_a_limit_that_was_guessed_grows_beyond_the_guess() -> None:
    assert share_of(learned(None, UNKNOWN, NOW), NOW + 60) > 1


def test_nobody_is_slowed_down_to_nothing_by_guesses() -> None:
    lesson = learned(None, replace(UNKNOWN, rate=1), NOW)
    for second in range(1, 20):
        lesson = after(lesson, UNKNOWN, second)
    assert rate_of(lesson, NOW + 20) == 5


def test_a_lesson_is_forgotten_in_the_end() -> None:
    lesson = learned(None, UNKNOWN, NOW)
    assert not is_over(lesson, NOW + 590)
    assert is_over(lesson, NOW + 610)
    assert learned(lesson, replace(UNKNOWN, rate=7), NOW + 610).rates == {"w1": 7}


@given(st.lists(st.tuples(st.floats(0.01, 30), st.booleans(), st.floats(0, 20)), max_size=30))
def test_whatever_comes_a_share_stays_a_share(refusals: list[tuple[float, bool, float]]) -> None:
    lesson, now = None, NOW
    for pause, fresh, retry_after in refusals:
        now += pause
        before = 1.0 if lesson is None or is_over(lesson, now) else share_of(lesson, now)
        begun_at = now if fresh else NOW - 100
        lesson = learned(lesson, replace(KNOWN, begun_at=begun_at, retry_after=retry_after), now)
        assert 0.1 <= share_of(lesson, now) <= max(before, 0.1)
        assert not retry_after or lesson.held_until >= now + retry_after
