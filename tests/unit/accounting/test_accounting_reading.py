"""A record is read as its contract says, or refused with the reason; nothing in it can make PostgreSQL refuse it."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, get_type_hints

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AwareDatetime, NonNegativeInt

from services.accounting.charging import AttemptFields, enter
from services.accounting.charging.fields import Moment, TokenFields, Tokens
from services.accounting.consumption.reading import read_end, read_job, read_usage
from services.accounting.ports import UnreadableError
from shared.contracts import AttemptFinished, DeadLetterReason, TokenUsage, WireModel
from shared.ids import new_job_id
from shared.prices.quotes import Quote
from tests.suites.accounting import a_job, an_attempt, an_end


def plain(fields: AttemptFields) -> object:
    return msgspec.json.decode(msgspec.json.encode(fields))


def test_what_a_worker_writes_is_read_as_it_was() -> None:
    event, job = an_attempt(), a_job()
    assert AttemptFinished.model_validate(plain(read_usage(event.to_bytes()))) == event
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
    with pytest.raises(UnreadableError, match="tenant") as refused:
        read_usage(json.dumps(event).encode())
    assert refused.value.reason is DeadLetterReason.SCHEMA


def test_a_field_of_a_later_version_is_ignored() -> None:
    event = an_attempt()
    later = json.loads(event.to_bytes()) | {"colour": "blue"}
    assert AttemptFinished.model_validate(plain(read_usage(json.dumps(later).encode()))) == event


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


@pytest.mark.parametrize(("fields", "contract"), [(AttemptFields, AttemptFinished), (TokenFields, TokenUsage)])
def test_the_quick_way_reads_what_the_contract_says(fields: type[msgspec.Struct], contract: type[WireModel]) -> None:
    same: dict[Any, Any] = {
        AwareDatetime: Moment,
        AwareDatetime | None: Moment | None,
        TokenUsage: TokenFields,
        NonNegativeInt: Tokens,
        dict[str, NonNegativeInt] | None: dict[str, Tokens] | None,
    }
    expected = {
        name: (same.get(kind, kind), field.is_required())
        for name, field in contract.model_fields.items()
        for kind in [get_type_hints(contract, include_extras=True)[name]]
    }
    assert {each.name: (each.type, each.required) for each in msgspec.structs.fields(fields)} == expected


@pytest.mark.parametrize(
    "moment",
    [
        *("now", "infinity", "", "2026-11-20T12:00:00", "2026-11-20T12:00:99Z", 1_763_640_000),
        *("2026-02-30T12:00:00Z", "2026-11-20T25:00:00.5Z", "2026-02-30T12:00:00+01:00"),
    ],
)
@pytest.mark.parametrize("name", ["accepted_at", "started_at", "first_token_at", "ended_at"])
def test_what_is_no_moment_is_refused(name: str, moment: object) -> None:
    value = json.dumps(json.loads(an_attempt().to_bytes()) | {name: moment}).encode()
    with pytest.raises(UnreadableError, match=name) as refused:
        read_usage(value)
    assert refused.value.reason is DeadLetterReason.SCHEMA


@given(st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)), st.sampled_from([UTC, timezone(timedelta(hours=-9))]))  # noqa: DTZ001
def test_a_moment_is_kept_to_the_microsecond(naive: datetime, zone: timezone) -> None:
    moment = naive.replace(tzinfo=zone)
    entry = enter(read_usage(an_attempt(at=moment).to_bytes()), Unknowing())
    assert round((moment - datetime.fromtimestamp(0, UTC)) / timedelta(microseconds=1)) == round(
        entry.accepted_at * 1e6
    )


class Unknowing:
    """A price book without a price."""

    def quote(self, provider: str, model: str, at: datetime, tier: str | None = None) -> Quote:
        return Quote("v", None)


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
