"""May this call pass, and how much is left? Token buckets for requests and tokens, and a ceiling of calls at once.

A bucket holds a full window when idle, or as much of it as `burst_seconds` says, and refills evenly. A call takes one
request and its tokens (prompt plus the maximum asked for) when it is admitted; `settle` corrects the tokens when it has
ended. A refused call takes nothing.
"""

from dataclasses import dataclass, field
from math import inf
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Bucket", "Headroom", "Meter", "Passed", "Quota", "Refused"]

Limit = Annotated[int, Field(ge=1)]


class Quota(BaseModel):
    """Limits of one API key on one model; None is no limit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rpm: Limit | None = None
    """Requests a minute."""
    rps: Limit | None = None
    """Requests a second."""
    tpm: Limit | None = None
    """Tokens a minute."""
    concurrency: Limit | None = None
    """Calls at once."""
    burst_seconds: Annotated[float, Field(gt=0)] | None = None
    """How much a bucket holds, in seconds of its limit; a whole window when left out, and never more."""


@dataclass(slots=True)
class Bucket:
    """`limit` units per `window` seconds. It may fall below zero when a call turns out dearer than announced."""

    limit: int
    window: float
    holds: float = inf
    """Never more than the limit, and one unit at least."""
    level: float = field(init=False)
    filled_at: float = 0.0

    def __post_init__(self) -> None:
        self.holds = max(1.0, min(self.holds, self.limit))
        self.level = self.holds

    def refill(self, now: float) -> None:
        if now > self.filled_at:
            self.level = min(self.holds, self.level + (now - self.filled_at) * self.limit / self.window)
            self.filled_at = now

    def seconds_until(self, amount: float) -> float:
        """Until so much is there, if nobody takes any."""
        return max(0.0, (amount - self.level) * self.window / self.limit)


@dataclass(frozen=True, slots=True)
class Headroom:
    """What is left of one limit: the numbers of the `x-ratelimit-*` headers."""

    kind: str
    """`requests` or `tokens`."""
    limit: int
    remaining: int
    reset_seconds: float


@dataclass(frozen=True, slots=True)
class Passed:
    headroom: tuple[Headroom, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    headroom: tuple[Headroom, ...]
    kind: str
    """Which header family it falls under: `requests` or `tokens`."""
    limit_name: str
    """As people write it: `requests per min (RPM)`."""
    limit: int
    used: int
    requested: int
    retry_seconds: float | None
    """None: it never fits."""


@dataclass(slots=True)
class Meter:
    """The state of one quota."""

    quota: Quota
    running: int = 0
    _requests: tuple[tuple[str, Bucket], ...] = field(init=False)
    _tokens: Bucket | None = field(init=False)

    def __post_init__(self) -> None:
        per_minute = [("requests per min (RPM)", self._bucket(self.quota.rpm, 60.0))] if self.quota.rpm else []
        per_second = [("requests per second (RPS)", self._bucket(self.quota.rps, 1.0))] if self.quota.rps else []
        self._requests = (*per_minute, *per_second)
        self._tokens = self._bucket(self.quota.tpm, 60.0) if self.quota.tpm else None

    def _bucket(self, limit: int, window: float) -> Bucket:
        burst = self.quota.burst_seconds
        return Bucket(limit, window, inf if burst is None else burst * limit / window)

    def admit(self, tokens: int, now: float) -> Passed | Refused:
        """Take one call of so many tokens, or nothing."""
        for bucket in self._buckets():
            bucket.refill(now)
        refusal = self._refusal(tokens)
        if refusal is not None:
            return refusal
        self.running += 1
        for _, bucket in self._requests:
            bucket.level -= 1
        if self._tokens:
            self._tokens.level -= tokens
        return Passed(self.headroom())

    def settle(self, taken: int, used: int, now: float) -> None:
        """The call has ended: `used` tokens instead of the `taken`."""
        self.running -= 1
        if self._tokens:
            self._tokens.refill(now)
            self._tokens.level = min(self._tokens.holds, self._tokens.level + taken - used)

    def headroom(self) -> tuple[Headroom, ...]:
        found = [_headroom("requests", bucket) for _, bucket in self._requests[:1]]
        if self._tokens:
            found.append(_headroom("tokens", self._tokens))
        return tuple(found)

    def _buckets(self) -> list[Bucket]:
        buckets = [bucket for _, bucket in self._requests]
        return [*buckets, self._tokens] if self._tokens else buckets

    def _refusal(self, tokens: int) -> Refused | None:
        ceiling = self.quota.concurrency
        if ceiling is not None and self.running >= ceiling:
            return Refused(self.headroom(), "requests", "concurrent requests", ceiling, self.running, 1, 1.0)
        for name, bucket in self._requests:
            if bucket.level < 1:
                return self._lacking("requests", name, bucket, 1)
        if self._tokens and self._tokens.level < tokens:
            return self._lacking("tokens", "tokens per min (TPM)", self._tokens, tokens)
        return None

    def _lacking(self, kind: str, name: str, bucket: Bucket, amount: int) -> Refused:
        wait = None if amount > bucket.holds else bucket.seconds_until(amount)
        used = max(0, round(bucket.limit - bucket.level))
        return Refused(self.headroom(), kind, name, bucket.limit, used, amount, wait)


def _headroom(kind: str, bucket: Bucket) -> Headroom:
    return Headroom(kind, bucket.limit, max(0, int(bucket.level)), bucket.seconds_until(bucket.holds))
