"""What consuming needs from the world beside what running a job needs, named for the need."""

from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from shared.contracts import DeadLetter

__all__ = ["Crowds", "Graveyard", "IntakeMeasures", "ReadingMarks", "Seat"]


class Crowds(Protocol):
    """What is known of the models whose jobs wait for each other already. Nothing blocks, nothing raises."""

    def held_back(self, on_way: Mapping[str, int]) -> Collection[str]:
        """Models that take no more jobs now; so many of each have been taken and do not wait there yet."""
        ...

    def watch(self, stirred: Callable[[], None]) -> None:
        """`stirred` is called whenever a job is let in."""
        ...


class Graveyard(Protocol):
    async def bury(self, letter: DeadLetter) -> None:
        """Waits until Kafka has the letter, however long that takes."""
        ...


class IntakeMeasures(Protocol):
    """Whoever counts what happens to a lane's partitions. Nothing blocks, nothing raises."""

    def committed(self, outcome: str) -> None: ...

    def rebalanced(self) -> None: ...

    def buried(self, topic: str, reason: str) -> None:
        """A record was set aside."""
        ...

    def rebuilt(self) -> None:
        """A consumer that was stuck was replaced."""
        ...


class ReadingMarks(Protocol):
    """Who has begun to read a record. Both may block for the Redis time limit, raise Unreachable, and be repeated."""

    async def begin(self, origin: str) -> int:
        """How many workers have begun to read the record and not ended, this one included."""
        ...

    async def end(self, origin: str) -> None:
        """Afterwards nobody has begun."""
        ...


class Seat(Protocol):
    """The name under which this worker is a member of its groups, and no other process."""

    @property
    def name(self) -> str | None:
        """None when there is none, or when it may be another's by now."""
        ...

    async def confirm(self) -> str | None:
        """The name, after asking. Blocks for half a second at most, never raises."""
        ...
