"""How long could nothing move? Outages that overlap are counted once, and only as far as they concern the job."""

import pytest

from chaos.facts import Strike
from chaos.schedule import Act
from chaos.timeline import Timeline
from tests.suites.chaos import BEGIN, a_life, a_strike, tampered


@pytest.mark.parametrize(
    ("strikes", "seconds"),
    [
        ((), 0.0),
        ((a_strike(Act.KILL, "kafka", 2, 5),), 3.0),
        ((a_strike(Act.KILL, "kafka", 2, 5), a_strike(Act.KILL, "valkey", 4, 6)), 4.0),
        ((a_strike(Act.KILL, "kafka", 2, 8), a_strike(Act.KILL, "valkey", 4, 5)), 6.0),
        ((a_strike(Act.KILL, "kafka", -5, 1), a_strike(Act.FREEZE, "worker-2", 9, 20)), 2.0),
        ((a_strike(Act.KILL, "postgres", 2, 5), a_strike(Act.FREEZE, "ingress-1", 2, 5)), 0.0),
        ((a_strike(Act.KILL, "kafka", 20, 30), a_strike(Act.KILL, "kafka", -9, -1)), 0.0),
    ],
)
def test_a_standstill_is_as_long_as_something_all_need_was_away(strikes: tuple[Strike, ...], seconds: float) -> None:
    assert Timeline(tampered(strikes=strikes)).standstill(0, 10) == pytest.approx(seconds)


def test_a_call_may_reach_its_provider_when_its_worker_is_dead_and_never_before_that_is() -> None:
    timeline = Timeline(tampered(lives=(a_life(killed=True, ended_at=BEGIN + 1),)))
    assert timeline.away("worker-1#1", BEGIN + 1.01, BEGIN + 5) == "worker-1#1 was killed"
    assert timeline.away("worker-1#1", BEGIN, BEGIN + 0.9) is None
