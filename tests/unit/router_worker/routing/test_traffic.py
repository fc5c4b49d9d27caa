"""How busy and quick deployments look, from what was measured here and heard from others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.router_worker.routing.traffic import Reading, Traffic


def seconds(traffic: Traffic, now: float) -> float:
    found = traffic.of("d", now).first_token_seconds
    assert found is not None
    return found


def test_what_nobody_has_called_is_idle_and_unknown() -> None:
    assert Traffic().of("d", 0.0) == Reading()


def test_calls_are_added_up_over_workers() -> None:
    traffic = Traffic()
    traffic.began("d")
    traffic.began("d")
    traffic.ended("d")
    traffic.hear([{"d": Reading(2)}, {"d": Reading(3), "e": Reading(7)}])
    assert (traffic.of("d", 0.0).in_flight, traffic.of("e", 0.0).in_flight) == (6, 7)


def test_a_slow_answer_counts_at_once_and_in_full() -> None:
    traffic = Traffic()
    traffic.answered("d", 0.2, 100.0)
    traffic.answered("d", 8.0, 100.1)
    assert seconds(traffic, 100.1) == 8.0


def test_quick_answers_win_the_trust_back_slowly() -> None:
    traffic = Traffic()
    traffic.answered("d", 8.0, 100.0)
    traffic.answered("d", 0.2, 101.0)
    assert 6.0 < seconds(traffic, 101.0) < 8.0
    for now in range(102, 160):
        traffic.answered("d", 0.2, float(now))
    assert seconds(traffic, 160.0) == pytest.approx(0.2, rel=0.2)


def test_it_is_forgotten_while_nobody_asks() -> None:
    traffic = Traffic()
    traffic.answered("d", 8.0, 100.0)
    assert traffic.of("d", 300.0).first_token_seconds is None


def test_to_fail_quickly_is_not_to_be_quick() -> None:
    traffic = Traffic()
    traffic.answered("d", 2.0, 100.0)
    traffic.failed("d", 0.001, 100.0)
    assert seconds(traffic, 100.0) == 2.0


def test_of_the_times_of_several_workers_the_mean_counts() -> None:
    traffic = Traffic()
    traffic.answered("d", 1.0, 100.0)
    traffic.hear([{"d": Reading(0, 4.0)}, {"d": Reading(3)}])
    assert seconds(traffic, 100.0) == 2.5


def test_a_worker_tells_what_it_has_seen_and_nothing_else() -> None:
    traffic = Traffic()
    traffic.began("a")
    traffic.began("b")
    traffic.ended("b")
    traffic.hear([{"c": Reading(9)}])
    assert traffic.own(0.0) == {"a": Reading(1)}


@given(st.lists(st.tuples(st.floats(0, 600), st.floats(0, 100), st.booleans()), min_size=1))
def test_no_average_lies_above_the_slowest_or_below_nothing(calls: list[tuple[float, float, bool]]) -> None:
    traffic, now = Traffic(), 0.0
    for waited, passed, answered in calls:
        now += passed
        (traffic.answered if answered else traffic.failed)("d", waited, now)
        assert 0 <= (traffic.of("d", now).first_token_seconds or 0) <= max(each[0] for each in calls) + 1e-9
