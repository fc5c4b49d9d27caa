"""What a door does with lines: each one is accepted as a job, refused with a reason, or its fate is unknown."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from cli.submission.lines import Line

__all__ = ["Accepted", "Door", "Fate", "RefusedLine", "Unknown"]


@dataclass(frozen=True, slots=True)
class Accepted:
    line: Line
    job: str | None
    """None when the door does not tell it: at a topic of whose binding nothing is known here."""
    record: str | None = None
    """`topic/partition/offset`, where it went through a topic."""


@dataclass(frozen=True, slots=True)
class RefusedLine:
    line: Line
    why: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Sent, and the answer never came: it may be a job."""

    line: Line
    why: str


Fate = Accepted | RefusedLine | Unknown


class Door(Protocol):
    def send(self, lines: Iterable[Line], settled: Callable[[Fate], None], submission: str) -> None:
        """Takes the lines as it can use them; each is settled once, in any order, from this thread only.

        `submission` is the same when lines are sent again, and of no other. Blocks until all are. Raises OperatorError
        when the door is shut; lines that were not settled were not sent.
        """
        ...
