"""How the gateway's door is used: some lines a request, again what it could not take, and never twice what it took."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from cli.gateway import GatewayAwayError, RefusedError, UnansweredError
from cli.submission.door import Accepted, Fate, RefusedLine, Unknown
from cli.submission.http_door import HttpDoor
from cli.submission.lines import Line
from services.ingress.api.schemas import LineAnswer
from shared.errors import OperatorError

SOON = 0.001


def a_line(number: int, size: int = 10) -> Line:
    return Line(number, b"x" * size, f"print-{number}", None)


def taken(at: int) -> LineAnswer:
    return LineAnswer.model_validate({"line": at + 1, "id": f"job_{at}", "status": "queued"})


def not_now(at: int) -> LineAnswer:
    return _error(at, "server_error")


def refused(at: int) -> LineAnswer:
    return _error(at, "invalid_request_error")


def _error(at: int, kind: str) -> LineAnswer:
    error = {"message": "No.", "type": kind, "param": None, "code": None}
    return LineAnswer.model_validate({"line": at + 1, "status": "refused", "error": error})


@dataclass(slots=True)
class AGateway:
    """Answers each request as it is told to, and takes everything afterwards."""

    answers: list[Callable[[int], list[LineAnswer]]] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)

    def submit_lines(self, lines: Sequence[bytes], headers: Mapping[str, str]) -> list[LineAnswer]:
        self.requests.append(len(lines))
        if self.answers:
            return self.answers.pop(0)(len(lines))
        return [taken(at) for at in range(len(lines))]


def sent(gateway: AGateway, *lines: Line) -> list[Fate]:
    fates: list[Fate] = []
    HttpDoor(gateway, {}).send(lines, fates.append)  # type: ignore[arg-type]
    return fates


def raising(error: OperatorError) -> Callable[[int], list[LineAnswer]]:
    def raised(_: int) -> list[LineAnswer]:
        raise error

    return raised


def test_lines_go_in_requests_of_bounded_size() -> None:
    gateway = AGateway()

    fates = sent(gateway, *(a_line(number) for number in range(150)), a_line(150, 600_000), a_line(151, 600_000))
    assert sorted(gateway.requests) == [1, 23, 64, 64]
    assert sorted(fate.line.number for fate in fates) == list(range(152))


def test_what_could_not_be_taken_just_now_is_sent_again_and_nothing_else() -> None:
    away = GatewayAwayError("starting", retry_after_seconds=SOON)
    gateway = AGateway([raising(away), lambda _: [taken(0), refused(1), not_now(2)]])

    fates = sent(gateway, a_line(1), a_line(2), a_line(3))
    assert gateway.requests == [3, 3, 1]
    assert {fate.line.number: type(fate) for fate in fates} == {1: Accepted, 2: RefusedLine, 3: Accepted}


def test_a_broken_connection_leaves_lines_unknown_and_sends_none_again() -> None:
    gateway = AGateway([raising(UnansweredError("It broke."))])

    fates = sent(gateway, a_line(1), a_line(2))
    assert gateway.requests == [2]
    assert [(type(fate), fate.why) for fate in fates if isinstance(fate, Unknown)] == [(Unknown, "It broke.")] * 2


def test_lines_without_an_answer_are_unknown() -> None:
    fates = sent(AGateway([lambda _: [taken(0)]]), a_line(1), a_line(2))

    assert {fate.line.number: type(fate) for fate in fates} == {1: Accepted, 2: Unknown}


def test_a_request_that_is_refused_as_a_whole_is_each_lines_refusal() -> None:
    fates = sent(AGateway([raising(RefusedError(413, "Too large.", None))]), a_line(1), a_line(2))

    assert [fate.why for fate in fates if isinstance(fate, RefusedLine)] == ["Too large."] * 2


def test_a_gateway_that_stays_away_is_told_after_some_tries() -> None:
    gateway = AGateway([raising(GatewayAwayError("No gateway answers.", retry_after_seconds=SOON))] * 99)

    with pytest.raises(OperatorError, match="No gateway answers"):
        sent(gateway, a_line(1))
    assert len(gateway.requests) == 8


def test_what_was_taken_before_an_interruption_is_told() -> None:
    fates: list[Fate] = []

    def lines():
        yield from (a_line(number) for number in range(65))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        HttpDoor(AGateway(), {}).send(lines(), fates.append)  # type: ignore[arg-type]
    assert len(fates) == 64
