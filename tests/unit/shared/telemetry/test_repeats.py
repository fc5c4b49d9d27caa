"""A library that says the same every moment is told now and then, and loses no word of what is new."""

import logging

from shared.telemetry.repeats import Repeats


class Told:
    def __init__(self) -> None:
        self.now = 0.0
        self._repeats = Repeats(lambda: self.now)

    def says(self, words: str, *args: object, line: int = 1) -> str | None:
        record = logging.LogRecord("aiokafka", logging.ERROR, "client.py", line, words, args, None)
        return record.getMessage() if self._repeats.filter(record) else None


def test_what_is_said_for_the_first_time_is_told_as_it_is() -> None:
    assert Told().says("cannot reach %s", "broker 1") == "cannot reach broker 1"


def test_the_same_within_ten_seconds_is_not_told() -> None:
    told = Told()
    told.says("cannot reach %s", "broker 1")
    told.now = 9.9
    assert told.says("cannot reach %s", "broker 2") is None


def test_afterwards_it_is_told_with_how_often_it_was_said() -> None:
    told = Told()
    for _ in range(8):
        told.says("cannot reach %s", "broker 1")
    told.now = 10.0
    assert told.says("cannot reach %s", "broker 1") == "cannot reach broker 1 (and 7 more like it)"
    told.now = 20.0
    assert told.says("cannot reach %s", "broker 1") == "cannot reach broker 1"


def test_what_another_line_of_code_says_is_told() -> None:
    told = Told()
    told.says("cannot reach", line=1)
    assert told.says("left the group", line=2) == "left the group"
