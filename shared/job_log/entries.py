"""What an entry of a job's log is: an ordered id, a type and JSON that is handed on unread.

In Redis an entry has one field, `d`: the type, a space, and JSON without line breaks. The id is `<epoch>-<seq>`: the
epoch is the fencing number of the claim, the seq counts from 1 within it. Redis refuses an id that is not larger than
the last, so a repeated append is harmless and a zombie of an older epoch is fenced.
"""

import re
from enum import StrEnum
from typing import NamedTuple

__all__ = ["START", "Cursor", "Entry", "EventType", "encode_entry", "parse_cursor", "parse_entry"]


class EventType(StrEnum):
    ACCEPTED = "accepted"
    """Always `0-1`, and the first: written by the door, or by a worker that was faster."""
    STARTED = "started"
    """A worker has taken the job."""
    PROGRESS = "progress"
    """An attempt began, a retry is due, another worker took over."""
    DELTA = "delta"
    """One `chat.completion.chunk`."""
    RESTART = "restart"
    """The deltas so far are void; the answer begins again."""
    DONE = "done"
    ERROR = "error"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def is_terminal(self) -> bool:
        return self in _TERMINAL


_TERMINAL = frozenset({EventType.DONE, EventType.ERROR, EventType.CANCELLED, EventType.EXPIRED})


class Cursor(NamedTuple):
    """A place in a log; the SSE `id:` of the entry there."""

    epoch: int
    seq: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.seq}"


START = Cursor(0, 0)
"""Before the first entry."""


class Entry(NamedTuple):
    cursor: Cursor
    type: EventType
    data: bytes
    """JSON without line breaks."""


_CURSOR = re.compile(r"([0-9]{1,18})-([0-9]{1,18})")


def parse_cursor(text: str) -> Cursor | None:
    match = _CURSOR.fullmatch(text)
    return Cursor(int(match[1]), int(match[2])) if match else None


_PREFIXES = {event: event.value.encode() + b" " for event in EventType}
_BY_NAME = {event.value.encode(): event for event in EventType}


def encode_entry(event: EventType, data: bytes) -> bytes:
    return _PREFIXES[event] + data


def parse_entry(entry_id: bytes, raw: bytes) -> Entry:
    """Raises ValueError when Redis holds something Sluice did not write."""
    epoch, _, seq = entry_id.partition(b"-")
    name, _, data = raw.partition(b" ")
    event = _BY_NAME.get(name)
    if event is None:
        raise ValueError(f"an entry of the unknown type {name[:40]!r}")
    return Entry(Cursor(int(epoch), int(seq)), event, data)
