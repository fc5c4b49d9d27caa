"""How long to wait before asking a deployment again. Pure: the jitter, from [0, 1), is handed in."""

from datetime import timedelta
from typing import assert_never

from shared.config.schema import Retries

__all__ = ["parking", "pause"]

_MOST_DOUBLINGS = 32
"""Far beyond any configured maximum, and safe from overflow."""


def pause(retries: Retries, failures: int, jitter: float) -> timedelta:
    """After the n-th failure, counted from 0."""
    match retries.pauses:
        case "fixed":
            return _ceiling(retries, 0)
        case "exponential":
            return _ceiling(retries, failures)
        case "full-jitter":
            return _ceiling(retries, failures) * jitter
        case _:
            assert_never(retries.pauses)


def parking(retries: Retries, limits: int, retry_after: timedelta | None, jitter: float) -> timedelta:
    """After the n-th refusal for a rate, counted from 0: never before the provider says, and never at once.

    The lower half is certain, so a provider that always says `retry-after: 0` is not asked in a loop; the upper half is
    spread, so that all the jobs it refused do not come back in the same instant.
    """
    half = _ceiling(retries, limits) / 2
    return max(retry_after or timedelta(), half) + half * jitter


def _ceiling(retries: Retries, times: int) -> timedelta:
    grown = retries.base_delay_seconds * 2 ** min(times, _MOST_DOUBLINGS)
    return timedelta(seconds=min(grown, retries.max_delay_seconds))
