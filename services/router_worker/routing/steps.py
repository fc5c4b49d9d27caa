"""What can happen to a job, and what it can do next: the words of `journey.py`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from services.router_worker.failures import Failure, FailureKind
from services.router_worker.resilience.not_now import NotNow
from services.router_worker.routing.plan import Candidate

__all__ = [
    "OPEN",
    "Admitted",
    "AttemptFailed",
    "Call",
    "Event",
    "FirstOutput",
    "GiveUp",
    "Hedge",
    "Listen",
    "Openings",
    "OtherFailed",
    "Outcome",
    "Overtaken",
    "Queue",
    "Restart",
    "Slow",
    "Step",
    "Succeed",
    "Succeeded",
    "Wait",
    "Waited",
]


@dataclass(frozen=True, slots=True)
class FirstOutput:
    """A reader has been shown the first real output of this attempt."""

    now: datetime


@dataclass(frozen=True, slots=True)
class Succeeded:
    now: datetime


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    failure: Failure
    now: datetime
    jitter: float
    """Drawn from [0, 1)."""
    resumable: bool = True
    """Whether the output so far is plain text of one choice, behind which another attempt could go on."""
    another_key: bool = False
    """Whether its deployment can be called with another key at once."""


@dataclass(frozen=True, slots=True)
class Waited:
    now: datetime


@dataclass(frozen=True, slots=True)
class Admitted:
    """The candidate of this name has let the job in."""

    name: str
    now: datetime


@dataclass(frozen=True, slots=True)
class Slow:
    """The call that runs is slow to begin its answer."""

    now: datetime


@dataclass(frozen=True, slots=True)
class Overtaken:
    """The second call is heard from here on, the first one no more."""


@dataclass(frozen=True, slots=True)
class OtherFailed:
    """Of two calls the one that is not heard has failed."""

    event: AttemptFailed


Event = FirstOutput | Succeeded | AttemptFailed | Waited | Admitted | Slow | Overtaken | OtherFailed


@dataclass(frozen=True, slots=True)
class Openings:
    """What is known of deployments beyond this job, by their names."""

    parked: Mapping[str, NotNow] = field(default_factory=lambda: MappingProxyType({}))
    full: Mapping[str, float | None] = field(default_factory=lambda: MappingProxyType({}))
    """At their limit: a call has to wait for its turn, which may come any moment; after how many seconds one would
    rather go to another model, None for never."""


OPEN: Final = Openings()


@dataclass(frozen=True, slots=True)
class Call:
    candidate: Candidate
    attempt: int
    """Counts the provider calls of the job, from 1."""
    resume: bool = False
    """Go on behind the text that was shown."""


@dataclass(frozen=True, slots=True)
class Hedge:
    """Make this call beside the one that runs."""

    call: Call


@dataclass(frozen=True, slots=True)
class Restart:
    """Tell the readers that what they were shown is void, then make the call."""

    call: Call


@dataclass(frozen=True, slots=True)
class Wait:
    until: datetime
    why: FailureKind


@dataclass(frozen=True, slots=True)
class Queue:
    """Wait in line at each of these, and go to the first that lets the job in."""

    candidates: tuple[Candidate, ...]
    until: datetime
    """Then there may be something better."""


@dataclass(frozen=True, slots=True)
class Listen:
    """Go on with the attempt that runs."""


@dataclass(frozen=True, slots=True)
class Succeed:
    pass


class Outcome(StrEnum):
    FAILED = "failed"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class GiveUp:
    failure: Failure
    outcome: Outcome


Step = Call | Hedge | Restart | Wait | Queue | Listen | Succeed | GiveUp
