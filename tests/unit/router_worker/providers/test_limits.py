"""What the headers of an answer say of the account's limits."""

from datetime import timedelta

import pytest

from services.router_worker.events import LimitKind, RateLimit
from services.router_worker.providers.limits import x_ratelimits


def test_both_kinds_of_limit_are_read() -> None:
    headers = {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-limit-tokens": "150000",
        "x-ratelimit-remaining-tokens": "149984",
        "x-ratelimit-reset-tokens": "6m0s",
    }
    assert x_ratelimits(headers) == (
        RateLimit(LimitKind.REQUESTS, 60, 59, timedelta(seconds=1)),
        RateLimit(LimitKind.TOKENS, 150_000, 149_984, timedelta(minutes=6)),
    )


@pytest.mark.parametrize(
    ("written", "span"),
    [
        ("12ms", timedelta(milliseconds=12)),
        ("1m", timedelta(minutes=1)),
        ("1h2m3.5s", timedelta(hours=1, minutes=2, seconds=3.5)),
        ("7.66s", timedelta(seconds=7.66)),
        ("2.5", timedelta(seconds=2.5)),
        ("0", timedelta()),
        ("soon", None),
        ("", None),
        ("-1", None),
    ],
)
def test_a_span_is_read_as_providers_write_it(written: str, span: timedelta | None) -> None:
    headers = {"x-ratelimit-limit-requests": "1", "x-ratelimit-reset-requests": written}
    assert x_ratelimits(headers)[0].full_in == span


def test_what_is_not_said_is_not_told() -> None:
    assert x_ratelimits({}) == ()
    assert x_ratelimits({"x-ratelimit-remaining-tokens": "-1"}) == ()
    assert x_ratelimits({"x-ratelimit-remaining-tokens": "9"}) == (RateLimit(LimitKind.TOKENS, remaining=9),)
