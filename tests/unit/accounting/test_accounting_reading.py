"""A record is read as its contract says, or refused with the reason; nothing in it can make PostgreSQL refuse it."""

import json
from datetime import UTC, datetime
from typing import Annotated, Any, NotRequired, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AwareDatetime

from services.accounting.charging import AttemptFields, enter
from services.accounting.charging.fields import Instant, TokenFields
from services.accounting.consumption.reading import read_end, read_job, read_usage
from services.accounting.ports import UnreadableError
from shared.contracts import AttemptFinished, DeadLetterReason, TokenUsage, WireModel
from shared.ids import new_job_id
from shared.prices.quotes import Quote
from tests.suites.accounting import a_job, an_attempt, an_end


def test_what_a_worker_writes_is_read_as_it_was() -> None:
    event, job = an_attempt(), a_job()
    assert AttemptFinished.model_validate(read_usage(event.to_bytes())) == event
    assert read_job(job.to_bytes()) == job
    assert read_end(an_end(job.id).to_bytes()) == an_end(job.id)


@pytest.mark.parametrize("value", [b"", b"{", b"no json", b"\xff\xfe"])
def test_what_is_not_json_is_undecodable(value: bytes) -> None:
    with pytest.raises(UnreadableError) as refused:
        read_usage(value)
    assert refused.value.reason is DeadLetterReason.UNDECODABLE


def test_a_missing_field_is_named() -> None:
    event = json.loads(an_attempt().to_bytes())
    del event["tenant"]
    with pytest.raises(UnreadableError, match="tenant: Field required") as refused:
        read_usage(json.dumps(event).encode())
    assert refused.value.reason is DeadLetterReason.SCHEMA


def test_a_field_of_a_later_version_is_ignored() -> None:
    event = an_attempt()
    later = json.loads(event.to_bytes()) | {"colour": "blue"}
    assert AttemptFinished.model_validate(read_usage(json.dumps(later).encode())) == event


@pytest.mark.parametrize("ids", [{"attempt": 2}, {"attempt_id": "a.1"}, {"job_id": new_job_id()}, {"job_id": "job_1"}])
def test_ids_that_contradict_each_other_are_refused(ids: dict[str, object]) -> None:
    value = json.dumps(json.loads(an_attempt().to_bytes()) | ids).encode()
    with pytest.raises(UnreadableError, match="contradict"):
        read_usage(value)


@given(st.text(alphabet=st.sampled_from('\x00\\u0"ab'), max_size=12))
def test_a_nul_in_a_text_becomes_a_replacement_character_and_nothing_else_changes(text: str) -> None:
    event = an_attempt(user=text)
    assert read_usage(event.to_bytes())["user"] == text.replace("\x00", "\ufffd")


@given(st.text(alphabet=st.sampled_from('\x00\\u0"ab'), max_size=12))
def test_so_does_a_nul_in_a_prompt(text: str) -> None:
    job = a_job(body={"messages": [{"content": text}]})
    assert read_job(job.to_bytes()).body == {"messages": [{"content": text.replace("\x00", "\ufffd")}]}


@pytest.mark.parametrize(("fields", "contract"), [(AttemptFields, AttemptFinished), (TokenFields, TokenUsage)])
def test_the_quick_way_reads_what_the_contract_says(fields: Any, contract: type[WireModel]) -> None:
    same = {AwareDatetime: Instant, AwareDatetime | None: Instant | None, TokenUsage: TokenFields}
    expected = {}
    for name, field in contract.model_fields.items():
        kind = same.get(field.annotation, field.annotation)
        kind = Annotated[kind, *field.metadata] if field.metadata else kind  # type: ignore[syntax]
        expected[name] = kind if field.is_required() else NotRequired[kind]
    assert get_type_hints(fields, include_extras=True) == expected


@pytest.mark.parametrize(
    "moment",
    ["2026-11-20 12:00:00Z", "now", "infinity", "2026-11-20T12:00:00", "2026-11-20T12:00:99Z", "", 1_763_640_000],
)
def test_a_moment_that_postgres_might_read_as_something_else_is_refused(moment: object) -> None:
    value = json.dumps(json.loads(an_attempt().to_bytes()) | {"ended_at": moment}).encode()
    with pytest.raises(UnreadableError, match="ended_at"):
        read_usage(value)


@pytest.mark.parametrize("moment", ["2026-02-30T12:00:00Z", "2026-11-20T25:00:00.5Z", "2026-02-30T12:00:00+01:00"])
def test_a_call_that_began_in_no_moment_is_refused(moment: str) -> None:
    value = json.dumps(json.loads(an_attempt().to_bytes()) | {"started_at": moment}).encode()
    with pytest.raises(UnreadableError, match="no such moment"):
        read_usage(value)


def test_a_moment_of_another_time_zone_is_priced_by_its_minute() -> None:
    asked: list[datetime] = []

    class Listening:
        def quote(self, provider: str, model: str, at: datetime, tier: str | None = None) -> Quote:
            asked.append(at)
            return Quote("v", None)

    event = json.loads(an_attempt().to_bytes())
    for moment in ("2026-11-20T12:34:56.789Z", "2026-11-20T18:04:56+05:30"):
        enter(read_usage(json.dumps(event | {"started_at": moment}).encode()), Listening())
    assert [at.astimezone(UTC).strftime("%H:%M") for at in asked] == ["12:34", "12:34"]
