"""Ids that sort by time, and ids that anyone can derive again."""

from uuid import UUID

from hypothesis import assume, given
from hypothesis import strategies as st

from shared.ids import (
    attempt_id,
    completion_id,
    derived_job_id,
    job_id_of_completion,
    job_unix_ms,
    new_id,
    new_job_id,
    parse_job_id,
)

moments = st.integers(min_value=0, max_value=2**48 - 1)
facts = st.lists(st.text(alphabet=st.characters(exclude_characters="\x1f")), max_size=5)


@given(moments, facts)
def test_equal_facts_give_the_equal_id_and_tell_its_time(moment: int, named: list[str]) -> None:
    job = derived_job_id(moment, *named)

    assert job == derived_job_id(moment, *named)
    assert job_unix_ms(job) == moment
    assert parse_job_id(job) == job


@given(moments, facts, facts)
def test_other_facts_give_another_id(moment: int, named: list[str], others: list[str]) -> None:
    assume((named or [""]) != (others or [""]))  # no fact and one empty fact are the same text

    assert derived_job_id(moment, *named) != derived_job_id(moment, *others)


@given(moments, moments, facts, facts)
def test_ids_sort_by_their_time(one: int, other: int, named: list[str], others: list[str]) -> None:
    assume(one < other)

    assert derived_job_id(one, *named) < derived_job_id(other, *others)


@given(moments, facts)
def test_an_id_is_a_version_7_uuid(moment: int, named: list[str]) -> None:
    uuid = UUID(derived_job_id(moment, *named).removeprefix("job_"))

    assert (uuid.version, uuid.variant) == (7, "specified in RFC 4122")


@given(moments, facts)
def test_the_job_is_found_from_its_completion(moment: int, named: list[str]) -> None:
    job = derived_job_id(moment, *named)

    assert job_id_of_completion(completion_id(job)) == job


@given(st.text())
def test_no_text_makes_parsing_fail(text: str) -> None:
    assert parse_job_id(text) in (None, text)


def test_what_is_almost_an_id_is_none() -> None:
    job = new_job_id()

    for text in (job.upper(), job + "0", job[:-1], job.replace("job_", "jab_"), f" {job}", f"{job}\n", job[4:]):
        assert parse_job_id(text) is None


def test_new_ids_differ_and_say_their_kind() -> None:
    ids = {new_id("group") for _ in range(1000)}

    assert len(ids) == 1000
    assert all(each.startswith("group_") for each in ids)


def test_an_attempt_is_named_after_its_job_and_number() -> None:
    job = new_job_id()

    assert attempt_id(job, 2) == f"{job}.2"
