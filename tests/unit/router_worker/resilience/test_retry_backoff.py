"""How long retries wait."""

from datetime import timedelta
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.router_worker.resilience.backoff import parking, pause
from shared.config.schema import Retries

RETRIES = Retries(base_delay_seconds=1, max_delay_seconds=10)

jitters = st.floats(0, 1, exclude_max=True)
counts = st.integers(0, 10_000)


def test_a_pause_is_anywhere_below_a_ceiling_that_doubles() -> None:
    assert [pause(RETRIES, failures, 0.5).total_seconds() for failures in range(6)] == [0.5, 1, 2, 4, 5, 5]
    assert pause(RETRIES, 3, 0.0) == timedelta()


@pytest.mark.parametrize(("pauses", "seconds"), [("fixed", [1, 1, 1, 1, 1, 1]), ("exponential", [1, 2, 4, 8, 10, 10])])
def test_pauses_that_are_not_drawn(pauses: Literal["fixed", "exponential"], seconds: list[float]) -> None:
    retries = RETRIES.model_copy(update={"pauses": pauses})
    assert [pause(retries, failures, 0.5).total_seconds() for failures in range(6)] == seconds


@given(counts, jitters)
def test_a_pause_never_exceeds_the_maximum(failures: int, jitter: float) -> None:
    assert timedelta() <= pause(RETRIES, failures, jitter) <= timedelta(seconds=10)


@given(counts, st.floats(0, 10_000), jitters)
def test_a_parking_is_never_shorter_than_the_provider_asks(limits: int, seconds: float, jitter: float) -> None:
    asked = timedelta(seconds=seconds)
    assert asked <= parking(RETRIES, limits, asked, jitter) <= max(asked, timedelta(seconds=5)) + timedelta(seconds=5)


@given(counts, jitters)
def test_a_parking_is_never_nothing(limits: int, jitter: float) -> None:
    assert parking(RETRIES, limits, timedelta(), jitter) >= timedelta(seconds=0.5)
    assert parking(RETRIES, limits, None, jitter) == parking(RETRIES, limits, timedelta(), jitter)
