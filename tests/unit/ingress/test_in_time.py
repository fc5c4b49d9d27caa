"""A job that would still wait when its deadline passes is refused, by whoever is the reason, with an honest time."""

from datetime import timedelta

import pytest

from services.ingress.admission import Admitted, Reason, Refused, Wait, admit
from shared.contracts import Door
from tests.suites.ingress import CALLER, NOON, a_request, the_facts


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def decided(wait: Wait | None, **fields: object) -> Admitted | Refused:
    return admit(a_request(**fields), CALLER, the_facts(wait=wait), NOON)


def refused(wait: Wait | None, **fields: object) -> Refused:
    decision = decided(wait, **fields)
    assert isinstance(decision, Refused)
    return decision


def test_what_nobody_knows_refuses_nothing() -> None:
    assert isinstance(decided(None, deadline=seconds(0.1)), Admitted)


@pytest.mark.parametrize(
    ("deadline", "running", "accepted"),
    [(29, 0, False), (30, 0, True), (31, 0, True), (34.9, 5, False), (35, 5, True), (59, 300, False), (60, 300, True)],
)
def test_a_job_that_can_end_before_its_deadline_is_accepted(deadline: float, running: float, accepted: bool) -> None:
    decision = decided(Wait(seconds(30), seconds(30), seconds(running)), deadline=seconds(deadline))
    assert isinstance(decision, Admitted) is accepted


def test_where_nothing_waits_nothing_is_refused() -> None:
    assert isinstance(decided(Wait(seconds(0), seconds(0), seconds(300)), deadline=seconds(1)), Admitted)


def test_a_job_without_a_deadline_has_the_longest_of_its_lane() -> None:
    assert isinstance(decided(Wait(seconds(600), seconds(600))), Admitted)
    assert refused(Wait(seconds(601), seconds(601))).reason is Reason.OVERLOADED


def test_it_is_told_when_the_backlog_will_be_short_enough() -> None:
    found = refused(Wait(seconds(100), seconds(90), seconds(10)), deadline=seconds(30))
    assert (found.reason, found.retry_after) == (Reason.OVERLOADED, seconds(80))
    assert "100 s" in found.message


def test_it_is_told_when_its_tenant_itself_is_the_reason() -> None:
    found = refused(Wait(seconds(100), seconds(5)), deadline=seconds(30))
    assert (found.reason, found.retry_after) == (Reason.OWN_BACKLOG, seconds(70))


def test_nobody_is_sent_away_for_longer_than_an_hour() -> None:
    assert refused(Wait(seconds(1e6), seconds(1e6))).retry_after == timedelta(hours=1)


def test_where_nobody_works_a_job_is_refused_once_that_lasted_longer_than_it_may() -> None:
    silence = Wait(seconds(40), seconds(40), workers=False)
    assert isinstance(decided(silence, deadline=seconds(50)), Admitted)
    found = refused(silence, deadline=seconds(30))
    assert found.reason is Reason.NO_WORKERS
    assert found.retry_after is not None


def test_a_job_that_begins_later_is_measured_by_when_it_may_begin() -> None:
    wait = Wait(seconds(100), seconds(100))
    later = NOON + seconds(90)
    assert isinstance(decided(wait, deadline=seconds(30), not_before=later), Admitted)
    assert isinstance(decided(wait, deadline=seconds(30), not_before=NOON - seconds(90)), Refused)


def test_a_record_of_a_submit_topic_is_never_refused_for_it() -> None:
    assert isinstance(decided(Wait(seconds(1e6), seconds(1e6)), door=Door.TOPIC), Admitted)
