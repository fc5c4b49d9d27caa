"""How the gateway's door is used: some lines a request, again what it could not take, and never twice what it took."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.gateway import GatewayAwayError, RefusedError, UnansweredError
from cli.submission.door import Accepted, Fate, RefusedLine, Unknown
from cli.submission.http_door import HttpDoor, _chunks
from cli.submission.lines import Line
from services.ingress.api.schemas import LineAnswer
from shared.errors import OperatorError

SOON = 0.001


def a_line(number: int, size: int = 10) -> Line:
    return Line(number, b"x" * size, f"print-{number}", None, number)


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
    keys: list[str] = field(default_factory=list)

    def submit_lines(self, lines: Sequence[bytes], headers: Mapping[str, str]) -> list[LineAnswer]:
        self.requests.append(len(lines))
        self.keys.append(headers["idempotency-key"])
        if self.answers:
            return self.answers.pop(0)(len(lines))
        return [taken(at) for at in range(len(lines))]


def sent(gateway: AGateway, *lines: Line) -> list[Fate]:
    fates: list[Fate] = []
    HttpDoor(gateway, {}).send(lines, fates.append, "s")  # type: ignore[arg-type]
    return fates


GONE = GatewayAwayError("Nobody is there.", retry_after_seconds=SOON)


def raising(error: OperatorError) -> Callable[[int], list[LineAnswer]]:
    def raised(_: int) -> list[LineAnswer]:
        raise error

    return raised


def test_lines_go_in_requests_of_bounded_size() -> None:
    gateway = AGateway()

    fates = sent(gateway, *(a_line(number) for number in range(150)), a_line(150, 600_000), a_line(151, 600_000))
    assert sorted(gateway.requests) == [1, 23, 64, 64]
    assert sorted(fate.line.number for fate in fates) == list(range(152))


def test_what_could_not_be_taken_just_now_is_sent_again_under_the_same_key() -> None:
    away = GatewayAwayError("starting", retry_after_seconds=SOON)
    partly, wholly = [taken(0), refused(1), not_now(2)], [taken(0), refused(1), taken(2)]
    gateway = AGateway([raising(away), lambda _: partly, lambda _: wholly])

    fates = sent(gateway, a_line(1), a_line(2), a_line(3))
    assert gateway.requests == [3, 3, 3]
    assert len(set(gateway.keys)) == 1
    assert {fate.line.number: type(fate) for fate in fates} == {1: Accepted, 2: RefusedLine, 3: Accepted}


@pytest.mark.parametrize("broken", [raising(UnansweredError("It broke.")), lambda _: [taken(0)]])
def test_what_was_not_answered_is_asked_for_again_under_the_same_key(
    broken: Callable[[int], list[LineAnswer]],
) -> None:
    gateway = AGateway([broken])

    fates = sent(gateway, a_line(1), a_line(2))
    assert gateway.requests == [2, 2]
    assert len(set(gateway.keys)) == 1
    assert [type(fate) for fate in fates] == [Accepted, Accepted]


def test_lines_that_are_never_answered_are_unknown_and_the_door_is_shut() -> None:
    fates: list[Fate] = []
    gateway = AGateway([raising(UnansweredError("It broke."))] + [raising(GONE)] * 7)

    with pytest.raises(OperatorError, match="Nobody"):
        HttpDoor(gateway, {}).send([a_line(1)], fates.append, "s")  # type: ignore[arg-type]
    assert [fate.why for fate in fates if isinstance(fate, Unknown)] == ["It broke."]


def test_each_request_has_a_key_of_its_own_and_another_submission_others() -> None:
    lines = [a_line(number) for number in range(150)]
    first, again, other = AGateway(), AGateway(), AGateway()
    for gateway, name in ((first, "s"), (again, "s"), (other, "t")):
        HttpDoor(gateway, {}).send(lines, lambda _: None, name)  # type: ignore[arg-type]

    assert len(set(first.keys)) == 3
    assert set(again.keys) == set(first.keys)
    assert not set(other.keys) & set(first.keys)


@settings(max_examples=20)
@given(st.sets(st.integers(0, 9)))
def test_requests_of_a_second_run_have_the_keys_they_had(taken_chunks: set[int]) -> None:
    lines = [a_line(number, 100 + 9_000 * (number % 7)) for number in range(300)]
    first, second = AGateway(), AGateway()
    HttpDoor(first, {}).send(lines, lambda _: None, "s")  # type: ignore[arg-type]
    chunks = list(_chunks(lines))
    rest = [line for at, chunk in enumerate(chunks) if at not in taken_chunks for line in chunk]

    HttpDoor(second, {}).send(rest, lambda _: None, "s")  # type: ignore[arg-type]
    assert set(second.keys) <= set(first.keys)
    assert len(second.keys) == len(set(range(len(chunks))) - taken_chunks)


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
        HttpDoor(AGateway(), {}).send(lines(), fates.append, "s")  # type: ignore[arg-type]
    assert len(fates) == 64
