"""What do refusals teach about a limit that is unknown, or smaller than was said? Pure; seconds since the epoch.

Additive increase, multiplicative decrease: a refusal takes a fifth of what was in use, or half when it comes right
behind another, and time gives it back evenly. Where a limit is known, that is a share of it, and never more than all of
it. Where none is, the first refusal puts one there: what the workers called in the second before, to which every worker
that is refused adds its part.

All workers share one lesson. Calls that were under way when it was drawn teach nothing new.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

__all__ = ["Lesson", "Noted", "Refusal", "is_over", "learned", "rate_of", "share_of"]

_CUT: Final = 0.8
_DEEP_CUT: Final = 0.5
_SOON_SECONDS: Final = 3.0
_STEP: Final = 0.02
"""What comes back a second, of the share right behind the refusal: a cut is made up for in some twelve seconds."""
_SAME_SECONDS: Final = 2.0
"""Refusals so close to the first one tell how much the other workers called."""
_FORGOTTEN_SECONDS: Final = 600.0
_LONGEST_HOLD: Final = 600.0
"""A provider that wants more quiet than this is asked again all the same, once."""
_SLOWEST_RATE: Final = 5.0
"""Calls a second of all workers. Nobody is slowed down below it by guesses: providers that now and then refuse for no
reason are many, and one that is slower says how long to wait."""
_LEAST_SHARE: Final = 0.1


@dataclass(frozen=True, slots=True)
class Lesson:
    at: float
    share: float
    """Of the limit, or of `rate`, right then."""
    held_until: float
    """The provider has said not to call before."""
    rates: Mapping[str, float] = field(default_factory=dict)
    """Calls a second by worker, where no limit was known."""


@dataclass(frozen=True, slots=True)
class Noted:
    """A lesson as it stands in the book; `version` counts how often it was replaced."""

    lesson: Lesson | None = None
    version: int = 0


@dataclass(frozen=True, slots=True)
class Refusal:
    worker: str
    begun_at: float
    """When the call began that was refused."""
    rate: float
    """Calls a second of this worker lately."""
    limit_known: bool
    retry_after: float = 0.0


def learned(lesson: Lesson | None, refusal: Refusal, now: float) -> Lesson:
    held = now + min(refusal.retry_after, _LONGEST_HOLD) if refusal.retry_after > 0 else float("-inf")
    if lesson is None or is_over(lesson, now):
        rates = {} if refusal.limit_known else {refusal.worker: refusal.rate}
        return Lesson(now, _CUT, max(now, held), rates)
    if refusal.begun_at <= lesson.at:
        return _with_voice(replace(lesson, held_until=max(lesson.held_until, held)), refusal, now)
    soon = now - max(lesson.at, lesson.held_until) < _SOON_SECONDS
    share = share_of(lesson, now) * (_DEEP_CUT if soon else _CUT)
    return replace(lesson, at=now, share=max(share, _LEAST_SHARE), held_until=max(lesson.held_until, held))


def rate_of(lesson: Lesson, now: float) -> float | None:
    """Calls a second that may be made where no limit is known; None where one was when the lesson was drawn."""
    return max(sum(lesson.rates.values()) * share_of(lesson, now), _SLOWEST_RATE) if lesson.rates else None


def share_of(lesson: Lesson, now: float) -> float:
    """How much of the limit may be used."""
    growing = max(0.0, now - max(lesson.at, lesson.held_until))
    grown = lesson.share * (1 + _STEP * growing)
    return grown if lesson.rates else min(1.0, grown)


def is_over(lesson: Lesson, now: float) -> bool:
    """Whether it says nothing any more."""
    if now < lesson.held_until:
        return False
    return now - lesson.at > _FORGOTTEN_SECONDS or (not lesson.rates and share_of(lesson, now) >= 1)


def _with_voice(lesson: Lesson, refusal: Refusal, now: float) -> Lesson:
    if not lesson.rates or refusal.worker in lesson.rates or now - lesson.at > _SAME_SECONDS:
        return lesson
    return replace(lesson, rates={**lesson.rates, refusal.worker: refusal.rate})
