"""Which of a provider's keys may be used just now? What the provider said of each goes in. Mutable, but pure: no clock,
no I/O; seconds are on the worker's own clock.

Theory. A key that is refused is put aside until another stands in its place: nobody else can mend it. With 401 that
holds for all models of the provider, with 403 for the model that was asked for: many say so of a model that the account
may not use. A key without credit rests for a while, for all models, one at its limit until its time, for that model.

When every key is put aside, none is: whether it is the keys or the provider that is at fault, the deployment's breaker
has to find out, which tries now and then; and when one is taken again after that, the others may have been no worse.

What is said of a key, other workers are to know, except of limits, which they share in their own way (`quota`). They
know it by a name that is made of its secret: another key in its place is another.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import inf
from typing import Final

from services.router_worker.failures import Failure, FailureKind
from services.router_worker.resilience.backoff import parking
from shared.config.patience import Retries

__all__ = ["DEAD_SECONDS", "NEW_KEY", "Key", "KeyRing", "KeyState", "Resting"]

DEAD_SECONDS: Final = 7 * 86_400.0
"""For so long the others are told of a key that is put aside. Whoever has not changed it by then pays with a call."""
_DEAD: Final = frozenset({FailureKind.AUTH, FailureKind.PERMISSION})
_OF_ALL_MODELS: Final = frozenset({FailureKind.AUTH, FailureKind.QUOTA_EXHAUSTED})
_TOLD: Final = _DEAD | _OF_ALL_MODELS
_NO_CREDIT_SECONDS: Final = 300.0
_SAME_SECONDS: Final = 1.0
"""What is told twice takes a little time each time."""


@dataclass(frozen=True, slots=True)
class Key:
    until: float = -inf
    """Not to be used before."""
    because: FailureKind | None = None
    refusals: int = 0
    """For a rate, in a row."""

    @property
    def is_dead(self) -> bool:
        return self.until == inf


NEW_KEY: Final = Key()


@dataclass(frozen=True, slots=True)
class Resting:
    """What the workers tell each other of a key."""

    seconds: float
    """From now on."""
    because: FailureKind


@dataclass(slots=True, eq=False)
class KeyState:
    """How a key stands with a provider, or with one model there."""

    name: str
    """For other workers; nothing of the key shows in it."""
    key: Key = NEW_KEY
    untold: bool = False
    """Whether it has changed in a way that the others do not know of."""

    def put(self, key: Key) -> None:
        self.untold |= key != self.key and not _TOLD.isdisjoint((key.because, self.key.because))
        self.key = key

    def told(self, now: float) -> Resting | None:
        """None when it may be used again."""
        if self.key.because not in _TOLD or self.key.until <= now:
            return None
        return Resting(min(self.key.until - now, DEAD_SECONDS), self.key.because)

    def hear(self, told: Resting | None, now: float) -> bool:
        """What all workers together know, None for nothing against it; whether that was new."""
        if self.untold or (told is None and self.key.because not in _TOLD):
            return False
        before, dead = self.key, told is not None and told.because in _DEAD
        if told is None:
            self.key = NEW_KEY
        elif dead or now + told.seconds > before.until + _SAME_SECONDS:
            self.key = Key(inf if dead else now + told.seconds, told.because)
        return self.key != before


class KeyRing:
    """A provider's keys, as one of its models is called with them."""

    def __init__(self, everywhere: Sequence[KeyState], here: Sequence[KeyState]) -> None:
        """`everywhere` is what concerns all models of the provider, and shared by their rings."""
        self._everywhere = everywhere
        self._here = here

    @property
    def states(self) -> tuple[KeyState, ...]:
        return (*self._everywhere, *self._here)

    @property
    def in_use(self) -> int:
        """How many are not put aside."""
        return sum(not self._is_dead(number) for number in range(len(self._here)))

    def rests_until(self, number: int) -> float:
        """When it may be used; long ago, if at once."""
        ends = (self._everywhere[number].key.until, self._here[number].key.until)
        if inf in ends and not self.in_use:
            return max((end for end in ends if end < inf), default=-inf)
        return max(ends)

    def has_another(self, number: int) -> bool:
        """Whether one is left that is not put aside."""
        return any(other != number and not self._is_dead(other) for other in range(len(self._here)))

    def failed(self, number: int, failure: Failure, retries: Retries, now: float, jitter: float) -> float | None:
        """A call was refused for its key: until when that rests; None if there is no other to go on with."""
        goes_on = self.has_another(number)
        dead = failure.kind in _DEAD
        if len(self._here) > 1 and (goes_on or dead):
            state = (self._everywhere if failure.kind in _OF_ALL_MODELS else self._here)[number]
            state.put(_after(state.key, failure, retries, now, jitter))
            return state.key.until if goes_on else None
        return None

    def answered(self, number: int, now: float) -> None:
        """A call with this key had its first output."""
        if self.rests_until(number) <= now:
            self._everywhere[number].put(NEW_KEY)
            self._here[number].put(NEW_KEY)

    def renew(self) -> None:
        """Whatever was said of any of them: it was not the key."""
        for state in self.states:
            state.put(NEW_KEY)

    def _is_dead(self, number: int) -> bool:
        return self._everywhere[number].key.is_dead or self._here[number].key.is_dead


def _after(key: Key, failure: Failure, retries: Retries, now: float, jitter: float) -> Key:
    if failure.kind in _DEAD:
        return Key(inf, failure.kind)
    if key.is_dead:
        return key
    if failure.kind is FailureKind.RATE_LIMITED:
        rest = parking(retries, key.refusals, failure.retry_after, jitter)
        return Key(now + rest.total_seconds(), failure.kind, key.refusals + 1)
    rest = max(failure.retry_after or timedelta(), timedelta(seconds=_NO_CREDIT_SECONDS))
    return Key(now + rest.total_seconds(), failure.kind)
