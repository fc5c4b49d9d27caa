"""How the events of a job stand in Redis: both sides of a rolling deploy must read them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts import Job
from shared.ids import JobId
from shared.job_log import (
    START,
    Cursor,
    Entry,
    EventType,
    JobFacts,
    Keyspace,
    encode_entry,
    facts_of,
    parse_cursor,
    parse_entry,
)
from tests.wire.contracts import EXAMPLES

GOLDEN = Path(__file__).parent / "golden"

numbers = st.integers(min_value=0, max_value=10**18 - 1)
cursors = st.builds(Cursor, numbers, numbers)
events = st.sampled_from(EventType)


def test_an_entry_is_its_type_a_space_and_json() -> None:
    assert encode_entry(EventType.DELTA, b'{"choices":[]}') == b'delta {"choices":[]}'
    assert parse_entry(b"3-14", b'delta {"choices":[]}') == Entry(Cursor(3, 14), EventType.DELTA, b'{"choices":[]}')


def test_the_names_of_the_events_are_those_on_the_wire() -> None:
    assert [event.value for event in EventType] == [
        "accepted",
        "started",
        "progress",
        "delta",
        "restart",
        "done",
        "error",
        "cancelled",
        "expired",
    ]


@given(cursors, events, st.binary())
def test_what_is_written_is_read(cursor: Cursor, event: EventType, data: bytes) -> None:
    assert parse_entry(str(cursor).encode(), encode_entry(event, data)) == Entry(cursor, event, data)


@given(cursors)
def test_a_cursor_is_read_as_it_is_shown(cursor: Cursor) -> None:
    assert parse_cursor(str(cursor)) == cursor


@pytest.mark.parametrize(
    "text", ["", "1", "1-", "-1", "1-2-3", "a-b", "1 - 2", "1-2\n", "-1-2", "1-" + "9" * 19, "+1-2"]
)
def test_what_is_not_a_cursor_is_none(text: str) -> None:
    assert parse_cursor(text) is None


@given(cursors, cursors)
def test_a_later_epoch_is_behind_every_entry_of_an_earlier_one(one: Cursor, other: Cursor) -> None:
    assert (one < other) == (one.epoch < other.epoch or (one.epoch == other.epoch and one.seq < other.seq))
    assert one >= START


def test_exactly_four_events_end_a_job() -> None:
    assert {event for event in EventType if event.is_terminal} == {
        EventType.DONE,
        EventType.ERROR,
        EventType.CANCELLED,
        EventType.EXPIRED,
    }


def test_something_else_in_redis_is_an_error_and_not_an_event() -> None:
    with pytest.raises(ValueError, match="unheard"):
        parse_entry(b"1-1", b"unheard {}")
    with pytest.raises(ValueError, match="invalid literal"):
        parse_entry(b"nonsense", b"delta {}")


def test_what_the_claim_remembers_of_a_job_is_written_and_read_as_ever() -> None:
    job = EXAMPLES["job.v1"]
    assert isinstance(job, Job)
    golden = (GOLDEN / "job-facts.v1.json").read_bytes().removesuffix(b"\n")

    assert facts_of(job).to_bytes() == golden
    assert JobFacts.model_validate_json(golden.replace(b"{", b'{"a_field_of_tomorrow":1,', 1)) == facts_of(job)


def test_the_keys_of_a_job_share_a_hash_tag() -> None:
    keys = Keyspace("sluice").job(JobId("job_01938f7cf2007abc8def0123456789ab"))

    assert (keys.log, keys.readers, keys.claim) == (
        "sluice:{s45}:job_01938f7cf2007abc8def0123456789ab:log",
        "sluice:{s45}:job_01938f7cf2007abc8def0123456789ab:readers",
        "sluice:{s45}:job_01938f7cf2007abc8def0123456789ab:claim",
    )
