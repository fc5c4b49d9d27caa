"""Which limits are kept: those of the configuration, or what headers tell."""

from datetime import timedelta

import pytest

from services.router_worker.events import LimitKind, RateLimit
from services.router_worker.quota.flow import MINUTE, Limit, flow_of
from services.router_worker.quota.lesson import Lesson
from services.router_worker.quota.terms import Advertised, Told, heard, terms_of
from shared.config.schema import Quota


def told(limit: int, remaining: int, seconds: float, kind: LimitKind = LimitKind.REQUESTS) -> RateLimit:
    return RateLimit(kind, limit, remaining, timedelta(seconds=seconds))


def requests_of(*answers: RateLimit) -> Told | None:
    advertised = Advertised()
    for answer in answers:
        advertised = heard(advertised, (answer,))
    return advertised.requests


def test_nothing_is_limited_when_nothing_is_said() -> None:
    assert terms_of(Quota(), Advertised(), None, 0.0).free
    assert heard(Advertised(), (RateLimit(LimitKind.REQUESTS, -1, 0), RateLimit(LimitKind.TOKENS, 0))) == Advertised()


def test_the_configuration_counts_whatever_headers_say() -> None:
    terms = terms_of(Quota(requests_per_second=50), Advertised(requests=Told(10, MINUTE)), None, 0.0)
    assert terms.requests == flow_of(Limit(50, 1.0))
    assert terms.tokens is None


def test_what_the_configuration_does_not_say_headers_may() -> None:
    terms = terms_of(Quota(concurrency=4), Advertised(tokens=Told(90_000, MINUTE)), None, 0.0)
    assert terms.tokens == flow_of(Limit(90_000, MINUTE))
    assert terms.places == 4


def test_a_bucket_shows_in_how_long_it_takes_to_be_full() -> None:
    assert requests_of(told(500, 499, 0.12)) == Told(500, MINUTE, bucket=MINUTE)
    assert requests_of(told(500, 400, 12.0)) == Told(500, MINUTE, bucket=MINUTE)
    assert requests_of(told(500, 400, 12.0), told(500, 300, 59.0)) == Told(500, MINUTE)
    assert requests_of(told(500, 499, 31.0)) == Told(500, MINUTE)
    assert requests_of(told(60, 30, 30.0)) == Told(60, MINUTE), "half a window tells the same"


def test_a_limit_of_a_second_is_known_by_how_soon_it_is_full_again() -> None:
    assert requests_of(told(50, 49, 0.02)) == Told(50, 1.0)


def test_a_window_that_seemed_short_and_shows_longer_is_longer() -> None:
    """A window of a minute that is nearly over looks like one of a second."""
    assert requests_of(told(60, 10, 1.0), told(60, 59, 59.0)) == Told(60, MINUTE)
    assert requests_of(told(60, 59, 59.0), told(60, 10, 1.0)) == Told(60, MINUTE)


def test_a_days_limit_is_not_spread_over_the_day() -> None:
    advertised = heard(Advertised(), (told(14_400, 14_370, 179.56),))
    assert terms_of(Quota(), advertised, None, 0.0).free
    assert requests_of(told(14_400, 14_370, 179.56), told(14_400, 14_399, 6.0)) == Told(14_400, None)


def test_input_and_output_counted_apart_are_one_limit_together() -> None:
    apart = (told(80_000, 79_000, 1, LimitKind.INPUT_TOKENS), told(16_000, 15_000, 4, LimitKind.OUTPUT_TOKENS))
    assert heard(Advertised(), apart).tokens == Told(96_000, MINUTE)
    both = (*apart, told(50_000, 49_000, 5, LimitKind.TOKENS))
    assert heard(Advertised(), both).tokens == Told(50_000, MINUTE)


def test_a_refusal_slows_what_is_known_and_bounds_what_is_not() -> None:
    slower = terms_of(Quota(requests_per_second=50), Advertised(), Lesson(100, 0.5, 100), 100).requests
    assert slower is not None
    assert slower.unit == pytest.approx(0.04)
    guessed = terms_of(Quota(), Advertised(), Lesson(100, 0.5, 100, {"w": 40.0}), 100).requests
    assert guessed == flow_of(Limit(20, 1.0))
