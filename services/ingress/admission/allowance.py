"""What is left of the limits on a caller's way, for telling it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

__all__ = ["Allowance", "Left", "tightest"]


@dataclass(frozen=True, slots=True)
class Left:
    """Of a minute's worth."""

    limit: int
    remaining: int
    reset: timedelta
    """After which all of it is there again, if nothing more is asked for."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """Where it is tightest; None where nothing limits it."""

    requests: Left | None = None
    tokens: Left | None = None


def tightest(lefts: Sequence[Left]) -> Left | None:
    return min(lefts, key=lambda left: (left.remaining, left.limit), default=None)
