"""Where a job stands: in its lane, on its tenant's partitions, or in a tier that lets it out in time."""

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.contracts import Lane
from shared.placing import partition_for, topic_for
from shared.sharding import partitions_of
from shared.topics import JOBS, JOBS_BATCH, JOBS_INTERACTIVE, TIERS
from tests.suites.ingress import NOON, a_job

DELAYS = {tier.topic: tier.delay for tier in TIERS}
seconds = st.floats(0, 90_000)


def later(wait: float) -> datetime:
    return NOON + timedelta(seconds=wait)


def test_a_job_that_may_begin_stands_in_its_lane() -> None:
    assert topic_for(a_job(lane=Lane.BATCH), NOON) is JOBS_BATCH
    assert topic_for(a_job(not_before=later(-5)), NOON) is JOBS_INTERACTIVE


def test_a_wait_that_no_tier_is_short_enough_for_is_left_to_a_worker() -> None:
    assert topic_for(a_job(not_before=later(4), deadline=later(600)), NOON) is JOBS_INTERACTIVE


@given(seconds, seconds)
def test_no_tier_keeps_a_job_beyond_its_time_or_its_deadline(wait: float, deadline: float) -> None:
    job = a_job(not_before=later(wait), deadline=later(deadline))
    topic = topic_for(job, NOON)
    assert topic in (*DELAYS, *JOBS.values())
    assert DELAYS.get(topic, timedelta()) <= timedelta(seconds=min(wait, deadline))


@given(seconds)
def test_a_job_is_moved_a_few_times_an_order_of_magnitude_and_then_is_in_its_lane(wait: float) -> None:
    job, now, moves = a_job(not_before=later(wait), deadline=later(100_000)), NOON, 0
    while delay := DELAYS.get(topic_for(job, now)):
        now += delay
        moves += 1
    assert timedelta() <= later(wait) - now < TIERS[0].delay
    assert moves <= 25 + 5 + 9 + 11


def test_only_the_batch_lane_keeps_tenants_apart() -> None:
    job = a_job()
    assert partition_for(job, JOBS_BATCH, 8, 2) in partitions_of(job.tenant, 8, 2)
    assert partition_for(job, JOBS_BATCH, 8, None) is None
    assert partition_for(job, JOBS_INTERACTIVE, 8, 2) is None
