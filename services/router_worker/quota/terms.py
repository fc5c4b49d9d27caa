"""Which limits are to be kept just now? From the configuration, or else from what the provider's answers tell. Pure.

What the configuration says of requests or of tokens counts, whatever headers say of them. Headers name a limit, but
neither its window nor how it is counted. Both show in `full_in`, the time until all of it is there again: it is never
longer than the window, and a bucket that lacks a part of the limit is full again after that part of its window. A
window that is seen to be longer than it seemed is believed to be; one longer than a minute is not paced by.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from services.router_worker.events import LimitKind, RateLimit
from services.router_worker.quota.book import Terms
from services.router_worker.quota.flow import MINUTE, Flow, Limit, flow_of, narrower
from services.router_worker.quota.lesson import Lesson, rate_of, share_of
from shared.config.schema import Quota

__all__ = ["Advertised", "Told", "heard", "terms_of"]

_SECOND: Final = 1.0
_CLEARLY_A_SECOND: Final = 1.5
_CLEARLY_A_BUCKET: Final = (45.0, 66.0)
"""What the window of a minute's bucket is reckoned to be: `remaining` is rounded down."""
_LITTLE: Final = 0.2
"""Of the limit. While no more is missing, a window that is nearly full tells hardly ever the same by chance."""
_ENOUGH_MISSING: Final = 5


@dataclass(frozen=True, slots=True)
class Told:
    """One limit as headers have told of it."""

    limit: int
    window: float | None
    """None when it is longer than a minute: such a limit is used up when it is, and not spread over the day."""
    bucket: float | None = None
    """As in `Limit`."""


@dataclass(frozen=True, slots=True)
class Advertised:
    requests: Told | None = None
    tokens: Told | None = None


def heard(before: Advertised, limits: Iterable[RateLimit]) -> Advertised:
    """What is known after one more answer."""
    by_kind = {each.kind: each for each in limits}
    tokens = by_kind.get(LimitKind.TOKENS) or _together(
        by_kind.get(LimitKind.INPUT_TOKENS), by_kind.get(LimitKind.OUTPUT_TOKENS)
    )
    return replace(
        before,
        requests=_told(before.requests, by_kind.get(LimitKind.REQUESTS)),
        tokens=_told(before.tokens, tokens),
    )


def terms_of(quota: Quota, advertised: Advertised, lesson: Lesson | None, now: float) -> Terms:
    """`now` is of the same clock as the lesson."""
    requests, tokens = _requests(quota, advertised), _tokens(quota, advertised)
    if lesson is not None:
        rate = rate_of(lesson, now)
        if rate is not None and requests is None and tokens is None:
            requests = flow_of(Limit(rate, _SECOND))
        else:
            share = min(1.0, share_of(lesson, now))
            requests = requests.slowed(share) if requests else None
            tokens = tokens.slowed(share) if tokens else None
    return Terms(requests, tokens, quota.concurrency)


def _requests(quota: Quota, advertised: Advertised) -> Flow | None:
    by_minute = _flow(quota.requests_per_minute, MINUTE, quota.burst_seconds)
    by_second = _flow(quota.requests_per_second, _SECOND, quota.burst_seconds)
    return narrower(by_minute, by_second) or _flow_told(advertised.requests)


def _tokens(quota: Quota, advertised: Advertised) -> Flow | None:
    return _flow(quota.tokens_per_minute, MINUTE, quota.burst_seconds) or _flow_told(advertised.tokens)


def _flow(amount: int | None, window: float, bucket: float | None) -> Flow | None:
    return None if amount is None else flow_of(Limit(amount, window, bucket))


def _flow_told(told: Told | None) -> Flow | None:
    return _flow(told.limit, told.window, told.bucket) if told and told.window else None


def _told(before: Told | None, now: RateLimit | None) -> Told | None:
    if now is None or now.limit is None or now.limit <= 0:
        return before
    full_in = (now.full_in or timedelta()).total_seconds()
    missing = max(0, now.limit - now.remaining) if now.remaining is not None else 0
    reckoned = full_in * now.limit / missing if missing else None
    seen = Told(now.limit, _window(full_in, reckoned))
    if before is None or before.limit != now.limit:
        before = seen
    window = None if before.window is None or seen.window is None else max(before.window, seen.window)
    bucket = before.bucket
    if reckoned is not None and window == MINUTE:
        if _CLEARLY_A_BUCKET[0] <= reckoned <= _CLEARLY_A_BUCKET[1]:
            bucket = MINUTE if missing <= now.limit * _LITTLE else bucket
        elif missing >= _ENOUGH_MISSING:
            bucket = None
    return Told(now.limit, window, bucket)


def _window(full_in: float, reckoned: float | None) -> float | None:
    if full_in > MINUTE:
        return None
    is_a_second = full_in and reckoned is not None and reckoned <= _CLEARLY_A_SECOND
    return _SECOND if is_a_second else MINUTE


def _together(one: RateLimit | None, other: RateLimit | None) -> RateLimit | None:
    """Input and output counted apart, as one limit for both."""
    if one is None or other is None:
        return None
    return RateLimit(
        LimitKind.TOKENS,
        limit=(one.limit or 0) + (other.limit or 0),
        full_in=max(one.full_in or timedelta(), other.full_in or timedelta()),
    )
