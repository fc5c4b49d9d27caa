from hypothesis import given
from hypothesis import strategies as st

from shared.burials import BurialLimit


def test_as_many_as_allowed_may_be_set_aside_and_no_more() -> None:
    limit = BurialLimit(3, within_seconds=10)
    assert [limit.admit(now) for now in (0, 1, 2, 3)] == [True, True, True, False]


def test_old_ones_do_not_count() -> None:
    limit = BurialLimit(3, within_seconds=10)
    assert all(limit.admit(now) for now in range(0, 100, 6))


def test_once_reached_it_stays_reached() -> None:
    limit = BurialLimit(1, within_seconds=10)
    assert [limit.admit(now) for now in (0, 1, 1000)] == [True, False, False]
    assert limit.is_reached


def test_a_batch_is_admitted_whole_or_not_at_all() -> None:
    limit = BurialLimit(5, within_seconds=10)
    assert limit.admit(0, 3)
    assert not limit.admit(1, 3)


@given(st.integers(1, 5), st.lists(st.floats(0, 5), max_size=40))
def test_never_more_than_allowed_within_the_time(most: int, pauses: list[float]) -> None:
    limit, now, admitted = BurialLimit(most, within_seconds=10), 0.0, []
    for pause in pauses:
        now += pause
        if limit.admit(now):
            admitted.append(now)
    assert all(sum(now - 10 <= at <= now for at in admitted) <= most for now in admitted)
