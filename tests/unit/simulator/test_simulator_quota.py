import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.dialects.openai_chat import OpenAIChat
from simulator.quota import Meter, Passed, Quota, Refused

arrivals = st.lists(st.floats(0, 3), min_size=1, max_size=60)


def passed(meter, times, tokens=1):
    return [now for now in times if isinstance(meter.admit(tokens, now), Passed)]


def in_order(gaps):
    now = 100.0
    return [now := now + gap for gap in gaps]


@given(st.integers(1, 20), arrivals)
def test_no_window_passes_more_than_a_full_bucket_and_its_refill(rpm, gaps):
    times = passed(Meter(Quota(rpm=rpm)), in_order(gaps))
    for index, start in enumerate(times):
        for later, end in enumerate(times[index:], start=1):
            assert later <= rpm + (end - start) * rpm / 60 + 1e-6


@given(st.integers(1, 20), arrivals)
def test_who_waits_as_long_as_told_passes(rpm, gaps):
    meter = Meter(Quota(rpm=rpm))
    for now in in_order(gaps):
        verdict = meter.admit(1, now)
        if isinstance(verdict, Refused):
            assert isinstance(meter.admit(1, now + verdict.retry_seconds + 1e-6), Passed)
            return


def test_a_refused_call_takes_nothing():
    meter = Meter(Quota(rpm=10, tpm=100))
    meter.admit(90, 0.0)
    before = meter.headroom()
    assert isinstance(meter.admit(50, 0.0), Refused)
    assert meter.headroom() == before


def test_the_smallest_limit_decides():
    meter = Meter(Quota(rpm=100, rps=2))
    assert [type(meter.admit(1, 0.0)) for _ in range(3)] == [Passed, Passed, Refused]
    assert isinstance(meter.admit(1, 0.5), Passed)


def test_a_bucket_may_hold_less_than_a_window():
    meter = Meter(Quota(tpm=60_000, burst_seconds=1))
    assert isinstance(meter.admit(1000, 0.0), Passed)
    assert isinstance(meter.admit(1, 0.0), Refused)
    assert isinstance(meter.admit(1000, 60.0), Passed)
    assert isinstance(meter.admit(1, 60.0), Refused)
    assert meter.admit(1001, 120.0).retry_seconds is None


def test_a_bucket_of_less_than_one_call_still_takes_one():
    meter = Meter(Quota(rpm=6, burst_seconds=1))
    assert [type(meter.admit(1, now)) for now in (0.0, 5.0, 10.0)] == [Passed, Refused, Passed]


def test_calls_at_once_are_limited_and_make_room_when_they_end():
    meter = Meter(Quota(concurrency=1))
    meter.admit(1, 0.0)
    assert isinstance(meter.admit(1, 0.0), Refused)
    meter.settle(1, 1, 0.0)
    assert isinstance(meter.admit(1, 0.0), Passed)


def test_a_call_that_used_less_than_announced_gives_the_rest_back():
    meter = Meter(Quota(tpm=100))
    meter.admit(90, 0.0)
    meter.settle(90, 20, 0.0)
    assert isinstance(meter.admit(80, 0.0), Passed)


def test_a_call_that_used_more_than_announced_makes_the_next_one_wait():
    meter = Meter(Quota(tpm=60))
    meter.admit(10, 0.0)
    meter.settle(10, 90, 0.0)
    verdict = meter.admit(10, 0.0)
    assert isinstance(verdict, Refused)
    assert verdict.retry_seconds == 40


def test_a_call_larger_than_the_limit_never_passes():
    verdict = Meter(Quota(tpm=60)).admit(61, 0.0)
    assert isinstance(verdict, Refused)
    assert verdict.retry_seconds is None


def test_a_refusal_is_worded_as_openai_words_it():
    meter = Meter(Quota(rpm=3))
    for _ in range(3):
        meter.admit(1, 0.0)
    refusal = OpenAIChat().over_quota("gpt-4o", meter.admit(1, 0.0))
    assert refusal.message == (
        "Rate limit reached for gpt-4o in organization org-simulated on requests per min (RPM): "
        "Limit 3, Used 3, Requested 1. Please try again in 20s."
    )
    assert (refusal.status, refusal.type, refusal.code) == (429, "requests", "rate_limit_exceeded")
    assert dict(refusal.headers) == {"retry-after": "20", "retry-after-ms": "20000"}


def test_a_call_that_is_too_large_is_not_told_to_come_again():
    refusal = OpenAIChat().over_quota("m", Meter(Quota(tpm=60)).admit(61, 0.0))
    assert refusal.message.startswith("Request too large for m")
    assert (refusal.type, refusal.headers) == ("tokens", ())


def test_headers_tell_what_is_left():
    meter = Meter(Quota(rpm=60, tpm=6000))
    meter.admit(600, 0.0)
    assert dict(OpenAIChat().quota_headers(meter.headroom(), 0.0)) == {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-limit-tokens": "6000",
        "x-ratelimit-remaining-tokens": "5400",
        "x-ratelimit-reset-tokens": "6s",
    }


@pytest.mark.parametrize(("rpm", "reset"), [(6000, "10ms"), (60, "1s"), (40, "1.5s"), (1, "1m0s")])
def test_a_reset_is_written_as_a_duration(rpm, reset):
    meter = Meter(Quota(rpm=rpm))
    meter.admit(1, 0.0)
    headers = dict(OpenAIChat().quota_headers(meter.headroom(), 0.0))
    assert headers["x-ratelimit-reset-requests"] == reset
