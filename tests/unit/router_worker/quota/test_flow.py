"""A limit as an even flow: what a provider that counts by a bucket, or by windows, never refuses."""

import pytest

from services.router_worker.quota.flow import MINUTE, Flow, Limit, flow_of, narrower


def test_a_bucket_that_is_known_is_used_at_its_full_rate() -> None:
    assert flow_of(Limit(600, MINUTE, bucket=10)).unit == pytest.approx(0.1)


def test_a_minute_is_undercut_a_little_where_nobody_knows_how_it_is_counted() -> None:
    assert flow_of(Limit(600, MINUTE)).unit == pytest.approx(0.10125)


def test_a_call_may_begin_when_its_piece_is_over_and_not_for_long_after() -> None:
    flow = Flow(unit=0.1, burst=0.5, grace=0.25)
    assert flow.opening(10, 1, batch=False) == pytest.approx((10.1, 10.75))


def test_a_call_that_is_larger_than_the_burst_need_not_wait_for_the_end_of_its_piece() -> None:
    flow = Flow(unit=0.1, burst=0.5, grace=0.25)
    assert flow.opening(10, 300, batch=False) == pytest.approx((10.5, 10.75))


def test_batch_jobs_leave_the_newest_part_of_a_bucket_to_interactive_ones() -> None:
    flow = flow_of(Limit(6000, MINUTE, bucket=60))
    assert flow.ahead(batch=False) > 0
    assert flow.ahead(batch=True) == pytest.approx(-0.2 * flow.burst, abs=0.2)


def test_calls_of_a_slow_limit_keep_their_distance_however_late_one_is() -> None:
    flow = flow_of(Limit(1, 1.0))
    first, second = flow.opening(0, 1, batch=False), flow.opening(flow.unit, 1, batch=False)
    assert second.at - first.until == pytest.approx(1.0)


def test_of_two_limits_the_narrower_holds() -> None:
    by_minute, by_second = flow_of(Limit(60, MINUTE)), flow_of(Limit(50, 1.0))
    assert narrower(by_minute, by_second) == Flow(by_minute.unit, by_second.burst, by_minute.grace)
    assert narrower(None, by_second) is by_second
    assert narrower(None, None) is None


def test_after_a_refusal_nothing_is_made_up_for_that_the_provider_has_not() -> None:
    slowed = flow_of(Limit(600, MINUTE, bucket=60)).slowed(0.5)
    assert slowed.unit == pytest.approx(0.2)
    assert slowed.burst < 1
