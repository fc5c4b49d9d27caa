"""How much time is left, and which limit ends a wait first? Pure: `now` is an argument, seconds are on any clock."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from services.router_worker.failures import FailureKind
from shared.config.schema import Timeouts

__all__ = ["Deadline", "Limit", "Patience"]


@dataclass(frozen=True, slots=True)
class Deadline:
    """The moment after which nothing may begin any more."""

    at: datetime

    def allows(self, moment: datetime) -> bool:
        return moment < self.at

    def seconds_left(self, now: datetime) -> float:
        return max((self.at - now).total_seconds(), 0.0)


class Limit(NamedTuple):
    """When a wait ends, and what it was if it did. A tuple, because there is one per token."""

    at: float
    kind: FailureKind


@dataclass(frozen=True, slots=True)
class Patience:
    """The limits of one attempt. Whatever it waits for, the whole attempt's end and the job's deadline come with it."""

    timeouts: Timeouts
    first_token: Limit
    whole: Limit

    @classmethod
    def of(cls, timeouts: Timeouts, seconds_left: float, started: float) -> "Patience":
        """`started` is the attempt's beginning on the clock that the limits are for."""
        whole = _earlier(
            Limit(started + seconds_left, FailureKind.DEADLINE),
            Limit(started + timeouts.total_seconds, FailureKind.TOTAL_TIMEOUT),
        )
        first = Limit(started + timeouts.first_token_seconds, FailureKind.FIRST_TOKEN_TIMEOUT)
        return cls(timeouts, _earlier(whole, first), whole)

    def next_token(self, now: float) -> Limit:
        """For the time between two reads, once there was output."""
        due = now + self.timeouts.between_tokens_seconds
        return Limit(due, FailureKind.STALL) if due < self.whole.at else self.whole


def _earlier(one: Limit, other: Limit) -> Limit:
    return one if one.at <= other.at else other
