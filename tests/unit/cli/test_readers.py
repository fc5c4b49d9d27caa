"""`sluice follow`: what a person, a pipe and a program see of a job's events."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from cli.readers import AnswerReader, EventReader, LiveReader, Reader
from services.router_worker.providers.sse import ServerSentEvent
from shared.contracts import JobEnded, JobStatus, Lane, TokenUsage
from shared.ids import new_job_id

AT = datetime(2026, 11, 21, tzinfo=UTC)
ENDED = JobEnded(
    job_id=new_job_id(),
    tenant="acme",
    caller="web",
    lane=Lane.BATCH,
    model="gpt-4o",
    status=JobStatus.SUCCEEDED,
    response={"choices": [{"index": 0, "message": {"content": "Hello."}}]},
    usage=TokenUsage(uncached_input=5, output=2),
    attempts=(),
    route=(),
    epoch=1,
    accepted_at=AT,
    started_at=AT,
    ended_at=AT + timedelta(seconds=2),
)
DONE = ServerSentEvent(event="done", data=ENDED.to_bytes(), id="2-9")


def delta(text: str, choice: int = 0) -> ServerSentEvent:
    chunk = {"choices": [{"index": choice, "delta": {"content": text}}]}
    return ServerSentEvent(event="delta", data=json.dumps(chunk).encode(), id="1-2")


def read(reader: Reader, *events: ServerSentEvent) -> JobEnded | None:
    ended = None
    for event in events:
        ended = reader.take(event)
    return ended


def test_a_person_sees_each_token_and_how_it_went(capsys: pytest.CaptureFixture[str]) -> None:
    assert read(LiveReader(), delta("Hel"), delta("lo."), DONE) == ENDED

    told = capsys.readouterr()
    assert told.out == "Hello.\n"
    assert told.err == "succeeded after 2.0s · gpt-4o · 5 tokens in, 2 out\n"


def test_a_person_is_told_that_what_stands_there_is_void(capsys: pytest.CaptureFixture[str]) -> None:
    restart = ServerSentEvent(event="restart", data=b"{}", id="2-1")
    read(LiveReader(), delta("Hal"), restart, delta("Hello."), DONE)

    told = capsys.readouterr()
    assert told.out == "Hal\nHello.\n"
    assert "begins again; what stands above is void" in told.err


def test_a_person_who_comes_late_sees_the_whole_answer(capsys: pytest.CaptureFixture[str]) -> None:
    read(LiveReader(), DONE)

    assert capsys.readouterr().out == "Hello.\n"


def test_several_choices_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    read(LiveReader(), delta("a"), delta("b", choice=1), DONE)

    assert capsys.readouterr().out == "a\n[1] b\n"


def test_a_pipe_gets_the_answer_once_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    reader = AnswerReader()
    assert read(reader, delta("Hal"), ServerSentEvent(event="restart", data=b"{}", id="2-1")) is None
    assert capsys.readouterr().out == ""

    assert read(reader, DONE) == ENDED
    assert capsys.readouterr().out == "Hello.\n"


def test_a_program_gets_every_event(capsys: pytest.CaptureFixture[str]) -> None:
    assert read(EventReader(), delta("Hel"), DONE) == ENDED

    first, last = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (first["id"], first["event"], first["data"]["choices"][0]["delta"]["content"]) == ("1-2", "delta", "Hel")
    assert (last["event"], last["data"]["status"]) == ("done", "succeeded")
