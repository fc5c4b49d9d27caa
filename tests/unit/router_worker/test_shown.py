"""What a log tells of workers that are gone, to the one who takes the job over."""

import orjson

from services.router_worker.shown import Shown, read_back
from shared.job_log import Cursor, Entry, EventType


def a_log(*said: tuple[EventType, dict[str, object]]) -> list[Entry]:
    return [Entry(Cursor(1, number), event, orjson.dumps(data)) for number, (event, data) in enumerate(said, 1)]


def attempt(number: int) -> tuple[EventType, dict[str, object]]:
    return EventType.PROGRESS, {"step": "attempt", "attempt": number, "deployment": "here"}


def delta(**words: str) -> tuple[EventType, dict[str, object]]:
    return EventType.DELTA, {"id": "c", "choices": [{"index": 0, "delta": words, "finish_reason": None}]}


def restart(number: int) -> tuple[EventType, dict[str, object]]:
    return EventType.RESTART, {"attempt": number}


ROLE = delta(role="assistant", content="")


def text(shown: Shown) -> str:
    return shown.assembler.text


def test_a_log_without_an_answer_shows_nothing() -> None:
    shown = read_back(a_log((EventType.ACCEPTED, {}), (EventType.STARTED, {}), attempt(1)))
    assert not shown.has_output
    assert shown.assembler.response() is None


def test_a_role_alone_is_no_output() -> None:
    shown = read_back(a_log(attempt(1), ROLE))
    assert not shown.has_output
    assert shown.outputs[1] == 0


def test_the_text_of_the_last_attempt_is_what_readers_hold() -> None:
    shown = read_back(a_log(attempt(1), ROLE, delta(content="Hel"), delta(content="lo")))
    assert shown.has_output
    assert text(shown) == "Hello"
    assert shown.outputs[1] == 2


def test_each_attempt_of_an_epoch_is_counted_for_itself() -> None:
    shown = read_back(
        a_log(attempt(1), delta(content="a"), delta(content="b"), restart(2), attempt(2), delta(content="c"))
    )
    assert shown.outputs == {1: 2, 2: 1}


def test_a_restart_voids_the_text_before_it() -> None:
    shown = read_back(a_log(attempt(1), delta(content="void"), restart(2), attempt(2), delta(content="new")))
    assert text(shown) == "new"


def test_after_a_restart_nothing_is_shown_until_the_next_output() -> None:
    shown = read_back(a_log(attempt(1), delta(content="void"), restart(2), attempt(2), ROLE))
    assert not shown.has_output


def test_what_an_ended_attempt_showed_is_still_held_while_the_job_waits() -> None:
    waiting = EventType.PROGRESS, {"step": "waiting", "why": "rate_limited"}
    shown = read_back(a_log(attempt(1), delta(content="kept"), waiting))
    assert shown.has_output
    assert text(shown) == "kept"


def test_an_attempt_that_goes_on_behind_another_completes_its_text() -> None:
    shown = read_back(a_log(attempt(1), ROLE, delta(content="Hel"), attempt(2), delta(content="lo")))
    assert text(shown) == "Hello"
    assert shown.outputs == {1: 1, 2: 1}
