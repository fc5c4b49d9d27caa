"""May a key be used just now? What its provider said of it goes in, the next state of the key comes out. Pure.

A key that is refused (401, 403) is put aside until the configuration changes: nobody else can mend it. A key at its
limit rests until its time, one without credit for a while. The last key that is left is never put aside: whether it is
the key or the provider that is at fault, the deployment's breaker has to find out, which tries it again now and then;
and when it is taken again after that, the others may have been no worse.

Times are seconds on the worker's own clock.
"""

from dataclasses import dataclass
from datetime import timedelta
from math import inf
from typing import Final

from services.router_worker.failures import Failure, FailureKind
from services.router_worker.resilience.backoff import parking
from shared.config.patience import Retries

__all__ = ["NEW_KEY", "Key", "after_failure"]

_DEAD: Final = frozenset({FailureKind.AUTH, FailureKind.PERMISSION})
_NO_CREDIT_SECONDS: Final = 300.0


@dataclass(frozen=True, slots=True)
class Key:
    until: float = -inf
    """Not to be used before."""
    because: FailureKind | None = None
    refusals: int = 0
    """For a rate, in a row."""

    def rests(self, now: float) -> bool:
        return now < self.until

    @property
    def is_dead(self) -> bool:
        return self.until == inf


NEW_KEY: Final = Key()


def after_failure(key: Key, failure: Failure, retries: Retries, now: float, jitter: float) -> Key:
    """The key after a failure that its account is to blame for."""
    if failure.kind in _DEAD:
        return Key(inf, failure.kind)
    if failure.kind is FailureKind.RATE_LIMITED:
        rest = parking(retries, key.refusals, failure.retry_after, jitter)
        return Key(now + rest.total_seconds(), failure.kind, key.refusals + 1)
    rest = max(failure.retry_after or timedelta(), timedelta(seconds=_NO_CREDIT_SECONDS))
    return Key(now + rest.total_seconds(), failure.kind)
