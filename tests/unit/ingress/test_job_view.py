"""A job as it is shown while it runs."""

from datetime import UTC, datetime

from services.ingress.api.job_view import job_object
from services.ingress.ports import JobRecord, Progress
from shared.contracts import Lane, PlanEntry, PlanVerdict
from shared.ids import new_job_id

PLAN = (
    PlanEntry(deployment="one/m", model="m", verdict=PlanVerdict.ASKED, reason="number 1 by priority: running"),
    PlanEntry(deployment="two/m", model="m", verdict=PlanVerdict.SPARE, reason="number 2 by priority"),
    PlanEntry(deployment="three/m", model="m", verdict=PlanVerdict.SKIPPED, reason="kept away by a rule"),
)


def test_a_running_job_shows_its_plan_and_its_route() -> None:
    record = JobRecord(
        new_job_id(), "acme", "m", Lane.BATCH, datetime.now(UTC), Progress.RUNNING, attempts_begun=1, plan=PLAN
    )
    shown = job_object(record, None)
    assert (shown.status, shown.attempts_begun) == ("running", 1)
    assert shown.plan == list(PLAN)
    assert shown.route == ["one/m", "two/m"]


def test_a_job_that_nobody_has_taken_has_none_yet() -> None:
    shown = job_object(JobRecord(new_job_id(), "acme", "m", Lane.BATCH, datetime.now(UTC)), None)
    assert (shown.status, shown.plan, shown.route) == ("queued", [], [])
