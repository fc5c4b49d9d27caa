"""What governing needs from the world, named for the need."""

from dataclasses import dataclass
from typing import Protocol

from services.router_worker.quota.book import Ask, Lease
from services.router_worker.quota.lesson import Lesson, Noted
from shared.contracts import Lane

__all__ = ["Dealt", "GateMeasures", "Leases"]


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
