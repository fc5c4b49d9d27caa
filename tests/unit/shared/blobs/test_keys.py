"""What a blob is called, and when its name says that it may go."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from shared.blobs.keys import Part, blob_key, may_go
from shared.ids import JobId

JOB = JobId("job_01938f7cf2007abc8def0123456789ab")
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def test_the_hour_comes_first_and_is_rounded_up() -> None:
    key = blob_key(datetime(2026, 11, 21, 17, 0, 1, tzinfo=UTC), "acme", JOB, Part.REQUEST)
    assert key == f"2026-11-21T18/acme/{JOB}/request"


def test_hours_are_those_of_utc() -> None:
    key = blob_key(datetime(2026, 11, 21, 1, tzinfo=timezone(timedelta(hours=2))), "acme", JOB, Part.REQUEST)
    assert key.startswith("2026-11-20T23/")


def test_every_epoch_has_an_answer_of_its_own() -> None:
    moment = datetime(2026, 11, 21, tzinfo=UTC)
    assert {blob_key(moment, "acme", JOB, Part.RESPONSE, epoch).rpartition("/")[2] for epoch in (1, 2)} == {
        "response-1",
        "response-2",
    }


@given(st.text(max_size=40))
def test_no_name_of_a_tenant_leads_anywhere_else(tenant: str) -> None:
    _, folder, job, part = blob_key(datetime(2026, 1, 1, tzinfo=UTC), tenant, JOB, Part.REQUEST).split("/")
    assert (job, part) == (JOB, "request")
    assert "." not in folder


@given(MOMENTS, st.timedeltas(timedelta(0), timedelta(days=30)))
def test_nothing_goes_before_its_time_and_everything_an_hour_later(kept_until: datetime, waited: timedelta) -> None:
    folder = blob_key(kept_until, "acme", JOB, Part.REQUEST).partition("/")[0]
    assert not may_go(folder, kept_until - timedelta(seconds=2) - waited)
    assert may_go(folder, kept_until + timedelta(hours=1) + waited)


@given(st.text(max_size=20))
def test_what_is_not_ours_never_goes(folder: str) -> None:
    assert not may_go(f"x{folder}", datetime(2999, 1, 1, tzinfo=UTC))
