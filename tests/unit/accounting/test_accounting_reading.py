"""A record is read as its contract says, or refused with the reason; nothing in it can make PostgreSQL refuse it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.accounting.consumption.reading import read_end, read_job, read_usage
from services.accounting.ports import UnreadableError
from shared.contracts import DeadLetterReason
from shared.ids import new_job_id
from tests.suites.accounting import a_job, an_attempt, an_end


def test_what_a_worker_writes_is_read_as_it_was() -> None:
    event, job = an_attempt(), a_job()
    assert read_usage(event.to_bytes()) == event
    assert read_job(job.to_bytes()) == job
    assert read_end(an_end(job.id).to_bytes()) == an_end(job.id)


@pytest.mark.parametrize("value", [b"", b"{", b"no json", b"\xff\xfe"])
def test_what_is_not_json_is_undecodable(value: bytes) -> None:
    with pytest.raises(UnreadableError) as refused:
        read_usage(value)
    assert refused.value.reason is DeadLetterReason.UNDECODABLE


def test_a_missing_field_is_named() -> None:
    event = json.loads(an_attempt().to_bytes())
    del event["usage"]["output"], event["tenant"]
    with pytest.raises(UnreadableError, match="tenant: Field required") as refused:
        read_usage(json.dumps(event).encode())
    assert refused.value.reason is DeadLetterReason.SCHEMA


def test_a_field_of_a_later_version_is_ignored() -> None:
    event = an_attempt()
    later = json.loads(event.to_bytes()) | {"colour": "blue"}
    assert read_usage(json.dumps(later).encode()) == event


@pytest.mark.parametrize("ids", [{"attempt": 2}, {"attempt_id": "a.1"}, {"job_id": new_job_id()}, {"job_id": "job_1"}])
def test_ids_that_contradict_each_other_are_refused(ids: dict[str, object]) -> None:
    value = json.dumps(json.loads(an_attempt().to_bytes()) | ids).encode()
    with pytest.raises(UnreadableError, match="contradict"):
        read_usage(value)


@given(st.text(alphabet=st.sampled_from('\x00\\u0"ab'), max_size=12))
def test_a_nul_in_a_text_becomes_a_replacement_character_and_nothing_else_changes(text: str) -> None:
    event = an_attempt(user=text)
    assert read_usage(event.to_bytes()).user == text.replace("\x00", "\ufffd")


@given(st.text(alphabet=st.sampled_from('\x00\\u0"ab'), max_size=12))
def test_so_does_a_nul_in_a_prompt(text: str) -> None:
    job = a_job(body={"messages": [{"content": text}]})
    assert read_job(job.to_bytes()).body == {"messages": [{"content": text.replace("\x00", "\ufffd")}]}
