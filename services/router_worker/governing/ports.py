"""What governing needs from the world, named for the need."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from services.router_worker.failures import FailureKind
from services.router_worker.quota.book import Ask, Lease
from services.router_worker.quota.lesson import Lesson, Noted
from services.router_worker.resilience.breaker import Opened
from services.router_worker.resilience.keys import Resting
from shared.contracts import Lane

__all__ = ["Dealt", "GateMeasures", "GuardMeasures", "Leases", "News", "ProbeMeasures", "Probes", "Sharing"]


@dataclass(frozen=True, slots=True)
class Dealt:
    lease: Lease
    now: float
    """The book's own time of the dealing, in seconds since the epoch."""
    noted: Noted


class Leases(Protocol):
    async def deal(self, account: str, ask: Ask, known: Noted, new: Lesson | None = None) -> Dealt:
        """`new` takes the place of the lesson that is known, unless somebody else has replaced that meanwhile.

        May block for the Redis time limit; raises Unreachable, and then nobody knows whether it was dealt.
        """
        ...


class GateMeasures(Protocol):
    """Whoever counts what happens at the gates. Nothing blocks, nothing raises."""

    def let_in(self, deployment: str, lane: Lane, waited_seconds: float) -> None:
        """A call that had to wait begins."""
        ...

    def leased(self, deployment: str, outcome: str) -> None:
        """The book was asked: all, some or none of what was asked for was dealt, or nobody answered (`away`)."""
        ...

    def slowed(self, deployment: str, share: float) -> None:
        """So much of the limit is used since the provider refused; 1 when all of it is."""
        ...


class GuardMeasures(Protocol):
    """Whoever counts what the breakers do. Nothing blocks, nothing raises."""

    def opened(self, deployment: str, because: FailureKind, *, heard: bool) -> None:
        """A breaker has opened; `heard`, because another worker's has."""
        ...


@dataclass(frozen=True, slots=True)
class News:
    """What workers leave alone: deployments, and keys, by names that all of them have for these."""

    opened: Mapping[str, Opened] = field(default_factory=dict)
    resting: Mapping[str, Resting] = field(default_factory=dict)


class Sharing(Protocol):
    """What the workers tell each other of breakers and keys."""

    async def share(self, told: News, renewed: Collection[str] = ()) -> News:
        """Tell what this worker leaves alone, and hear what any does, each for the longest time told.

        Of keys only what is new need be told; `renewed` are those that may be used after all. May block for the Redis
        time limit; raises Unreachable.
        """
        ...


class Probes(Protocol):
    async def probe(self, provider: str, seconds: float) -> FailureKind | None:
        """Whether anybody answers there, asked for nothing that costs; what failed, or None.

        Never raises; blocks for so many seconds at most.
        """
        ...


class ProbeMeasures(Protocol):
    """Whoever counts. Nothing blocks, nothing raises."""

    def probed(self, deployment: str, outcome: str) -> None:
        """It has `answered`, or what failed."""
        ...
