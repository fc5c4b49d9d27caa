from hypothesis import given
from hypothesis import strategies as st

from shared.backoff import Backoff

BACKOFF = Backoff(base_seconds=0.5, cap_seconds=20)

failures = st.integers(min_value=-1, max_value=10**9)
jitter = st.floats(min_value=0, max_value=1, exclude_max=True)


@given(failures, jitter)
def test_a_delay_is_never_longer_than_the_cap_nor_shorter_than_half_the_base(count: int, chance: float) -> None:
    assert 0.25 <= BACKOFF.delay(count, chance) <= 20


@given(st.integers(min_value=1, max_value=100), jitter)
def test_with_the_same_chance_a_delay_never_shrinks(count: int, chance: float) -> None:
    assert BACKOFF.delay(count, chance) <= BACKOFF.delay(count + 1, chance)


def test_it_doubles_until_the_cap() -> None:
    assert [BACKOFF.delay(count, jitter=0) for count in (1, 2, 3, 6, 7, 50)] == [0.25, 0.5, 1, 8, 10, 10]
