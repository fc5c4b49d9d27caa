"""A server that is away is told of at once, then every few seconds, and so is its return."""

import pytest
from structlog.testing import capture_logs

from services.ingress.adapters.reachability import Reachability, plain
from services.ingress.ports import Dependency


class Seconds:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def kafka(seconds: Seconds) -> Reachability:
    return Reachability(Dependency.KAFKA, seconds)


def told(logs: object) -> list[tuple[str, float]]:
    return [(line["event"], line["waited_seconds"]) for line in logs]  # type: ignore[attr-defined]


def test_nothing_is_up_before_it_has_answered(kafka: Reachability) -> None:
    assert not kafka.is_up()
    assert kafka.problem == "not connected yet"
    kafka.answers()
    assert kafka.is_up()


def test_a_lasting_outage_is_told_every_ten_seconds(kafka: Reachability, seconds: Seconds) -> None:
    with capture_logs() as logs:
        for _ in range(25):
            kafka.away("refused")
            seconds.now += 1
        kafka.answers()
        kafka.answers()
    assert told(logs) == [
        ("waiting_for_server", 0.0),
        ("waiting_for_server", 10.0),
        ("waiting_for_server", 20.0),
        ("server_reachable", 25.0),
    ]
    assert logs[0]["server"] == "kafka"
    assert logs[0]["reason"] == "refused"


def test_each_outage_is_told_at_once_and_counted_from_its_beginning(kafka: Reachability, seconds: Seconds) -> None:
    kafka.away("once")
    kafka.answers()
    seconds.now += 1
    with capture_logs() as logs:
        kafka.away("again")
    seconds.now += 3
    assert told(logs) == [("waiting_for_server", 0.0)]
    assert kafka.away_seconds == 3
    assert kafka.problem == "again"


@pytest.mark.parametrize(
    ("error", "text"),
    [(TimeoutError(), "TimeoutError"), (OSError("gone\nand more"), "OSError: gone"), (ValueError(" "), "ValueError")],
)
def test_an_error_is_one_line_with_its_kind(error: Exception, text: str) -> None:
    assert plain(error) == text
