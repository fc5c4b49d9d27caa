"""Is this entry the next one of the log? Pure; what makes a reader's transcript neither lose, repeat nor reorder."""

from enum import Enum, auto

from shared.job_log import Cursor

__all__ = ["Step", "step"]


class Step(Enum):
    STALE = auto()
    """Seen already."""
    NEXT = auto()
    GAP = auto()
    """Something may lie between: the log must be read again from the cursor."""


def step(cursor: Cursor, entry: Cursor) -> Step:
    if entry <= cursor:
        return Step.STALE
    if entry.epoch == cursor.epoch:
        return Step.NEXT if entry.seq == cursor.seq + 1 else Step.GAP
    # Epoch 0 holds `accepted` alone, so behind it the first entry of the first worker misses nothing. Every other new
    # epoch begins behind entries that this reader may not have seen.
    return Step.NEXT if cursor == (0, 1) and entry == (1, 1) else Step.GAP
