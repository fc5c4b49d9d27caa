"""When is a second call worth its price, and how many of them are there at most?"""

from hypothesis import given
from hypothesis import strategies as st

from services.router_worker.resilience.hedging import Hedging
from shared.config.patience import Hedge


def hedging(**rule: float) -> Hedging:
    return Hedging({"m": Hedge(**rule)})


def test_a_call_is_slow_when_it_takes_longer_than_most_of_the_last_ones() -> None:
    watching = hedging(least_seconds=0.0)
    for number in range(100):
        watching.answered("a", number / 100)
    assert watching.began("m", "a") == 0.95
    for _ in range(100):
        watching.answered("a", 2.0)
    assert watching.began("m", "a") == 2.0


def test_nobody_can_tell_before_there_were_enough_answers() -> None:
    watching = hedging()
    for _ in range(19):
        watching.answered("a", 1.0)
    assert watching.began("m", "a") is None
    watching.answered("a", 1.0)
    assert watching.began("m", "a") == 1.0
    assert watching.began("m", "b") is None


def test_it_is_never_sooner_than_the_operator_allows() -> None:
    watching = hedging(least_seconds=0.5)
    for _ in range(20):
        watching.answered("a", 0.01)
    assert watching.began("m", "a") == 0.5


def test_a_model_without_a_rule_is_never_hedged() -> None:
    watching = Hedging({})
    for _ in range(50):
        watching.answered("a", 1.0)
    assert watching.began("m", "a") is None
    assert not watching.may_spend("m")


@given(st.floats(0.01, 1), st.lists(st.booleans(), max_size=300))
def test_of_all_calls_no_more_than_the_share_are_made_twice(share: float, slow: list[bool]) -> None:
    watching, twice = hedging(most_share=share), 0
    for calls, is_slow in enumerate(slow, 1):
        watching.began("m", "a")
        if is_slow and watching.may_spend("m"):
            watching.spend("m")
            twice += 1
        assert twice <= share * calls + 1e-6
