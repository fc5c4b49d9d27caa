"""Is a deployment worth calling? A circuit breaker as a value: what happened goes in, the next breaker comes out. Pure.

Theory. Closed, every call may begin, and failures are counted: in a row, and as a part of the calls of a window. Too
many open it. Open, no call begins before `until`. Then it is half open: a few calls at once may try. As many answers as
that close it; one failure opens it again, for twice as long.

Each opening and each closing begins an *era*. A call belongs to the era in which it began and says nothing about a
later one: the hundred calls that were under way when it opened fail as well, and must not open it for longer each; and
an answer to one of them does not prove that a new call would be answered.

Workers tell each other when they open. What is heard makes `until` later and never sooner, so no worker shortens what
another found out; a worker closes its own breaker, by its own calls.

Times are seconds on the worker's own clock. Rules for whoever edits this: every change of state begins an era.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from math import inf
from typing import Final, NamedTuple

from services.router_worker.failures import FailureKind
from shared.config.patience import Breaker as Rules

__all__ = ["Breaker", "Opened", "State", "answered", "began", "ended", "failed", "heard", "opened", "room", "state_of"]

_SLOTS: Final = 10
"""In how many pieces the window moves on."""
_MOST_DOUBLINGS: Final = 32
_SAME_SECONDS: Final = 0.1
"""What is heard of an opening one knows of may differ by so much, for it has travelled."""


class State(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Slot(NamedTuple):
    """A tenth of the window."""

    number: int
    calls: int
    failures: int


@dataclass(frozen=True, slots=True)
class Breaker:
    era: int = 0
    until: float = -inf
    """Not to be called before."""
    openings: int = 0
    """In a row; none when it is closed."""
    because: FailureKind | None = None
    """The last failure before it opened."""
    in_a_row: int = 0
    window: tuple[Slot, ...] = ()
    probing: int = 0
    """Calls that try it now."""
    answers: int = 0
    """To such calls, since it was half open."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What one worker tells the others; how long from now, since their clocks differ."""

    seconds: float
    openings: int
    because: FailureKind


def state_of(breaker: Breaker, now: float) -> State:
    if not breaker.openings:
        return State.CLOSED
    return State.OPEN if now < breaker.until else State.HALF_OPEN


def room(breaker: Breaker, rules: Rules, now: float) -> float:
    """How many more calls may begin."""
    match state_of(breaker, now):
        case State.CLOSED:
            return inf
        case State.OPEN:
            return 0
        case State.HALF_OPEN:
            return rules.probes - breaker.probing


def began(breaker: Breaker) -> Breaker:
    """A call begins, which is then of this era."""
    return replace(breaker, probing=breaker.probing + 1) if breaker.openings else breaker


def answered(breaker: Breaker, rules: Rules, era: int) -> Breaker:
    """A call has had its first output: it need not end for the breaker to close."""
    if era != breaker.era or not breaker.openings:
        return breaker
    if breaker.answers + 1 >= rules.probes:
        return Breaker(era=breaker.era + 1)
    return replace(breaker, answers=breaker.answers + 1)


def ended(breaker: Breaker, rules: Rules, era: int, now: float, *, succeeded: bool) -> Breaker:
    """A call has ended that says nothing against the deployment; not `succeeded`, it says nothing for it either."""
    if era != breaker.era:
        return breaker
    if breaker.openings:
        return replace(breaker, probing=breaker.probing - 1)
    return replace(breaker, in_a_row=0, window=_counted(breaker, rules, now, 0)) if succeeded else breaker


def failed(breaker: Breaker, rules: Rules, era: int, because: FailureKind, now: float, jitter: float) -> Breaker:
    """A call has failed by the deployment's own fault. `jitter`, from [0, 1), keeps deployments and workers apart."""
    if era != breaker.era:
        return breaker
    if breaker.openings:
        return opened(breaker, rules, because, now, jitter)
    counted = replace(breaker, in_a_row=breaker.in_a_row + 1, window=_counted(breaker, rules, now, 1))
    return opened(counted, rules, because, now, jitter) if _is_enough(counted, rules) else counted


def opened(breaker: Breaker, rules: Rules, because: FailureKind, now: float, jitter: float) -> Breaker:
    """Open from now on. The first half of the time is certain, the other is drawn."""
    longest = min(rules.open_seconds * 2 ** min(breaker.openings, _MOST_DOUBLINGS), rules.most_open_seconds)
    until = max(breaker.until, now + longest * (1 + jitter) / 2)
    return Breaker(era=breaker.era + 1, until=until, openings=breaker.openings + 1, because=because)


def heard(breaker: Breaker, told: Opened, now: float) -> Breaker:
    """Another worker has opened its own. `now` is when it was asked, so nothing becomes later on its way round."""
    until = now + told.seconds
    if until <= max(now, breaker.until + _SAME_SECONDS):
        return breaker
    openings = max(told.openings, breaker.openings, 1)
    return Breaker(era=breaker.era + 1, until=until, openings=openings, because=told.because)


def _counted(breaker: Breaker, rules: Rules, now: float, failures: int) -> tuple[Slot, ...]:
    if rules.failure_rate is None:
        return ()
    number = int(now * _SLOTS // rules.window_seconds)
    *earlier, last = breaker.window or (Slot(number, 0, 0),)
    if last.number == number:
        return (*earlier, Slot(number, last.calls + 1, last.failures + failures))
    kept = (slot for slot in breaker.window if slot.number > number - _SLOTS)
    return (*kept, Slot(number, 1, failures))


def _is_enough(breaker: Breaker, rules: Rules) -> bool:
    if rules.failures_in_a_row is not None and breaker.in_a_row >= rules.failures_in_a_row:
        return True
    calls = sum(slot.calls for slot in breaker.window)
    if rules.failure_rate is None or calls < rules.least_calls:
        return False
    return sum(slot.failures for slot in breaker.window) >= rules.failure_rate * calls
