"""How many records may come from which partition next? Pure.

One fetch buffer is emptied before the next is looked at, so a plain poll lets one partition starve the others for tens
of seconds. Every round therefore asks each partition for its share of the room, beginning with another one each time.
"""

from collections.abc import Sequence
from typing import TypeVar

__all__ = ["fair_share", "rotated"]

P = TypeVar("P")


def rotated(partitions: Sequence[P], turn: int) -> list[P]:
    """The partitions in order, beginning with another one each turn."""
    first = turn % len(partitions) if partitions else 0
    return [*partitions[first:], *partitions[:first]]


def fair_share(room: int, partitions_left: int) -> int:
    """What the next of `partitions_left` may take of the room that is left: what others left unused is spread."""
    return -(-room // partitions_left)
