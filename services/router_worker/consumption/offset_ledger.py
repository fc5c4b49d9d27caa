"""Which offset of one partition may be committed, while its jobs finish in any order? Pure.

Theory. Kafka stores one position per partition: everything below it is done. Jobs last from a second to ten minutes and
finish out of order, so the position may only move to the *watermark*: the lowest offset that was admitted and has not
finished. What finished above it would be repeated after a rebalance; therefore a commit carries, as its metadata, a
bitmap of those offsets, and the next owner skips them.

Rules for editing: `admit` sees offsets in the order the broker delivers them, `finish` in any order; an offset is below
the watermark, pending, or done, and never two of these.

A commit also says whether its writer has let go of the partition. When it has not, it died: it may have had any record
above the watermark in hand, and one of them may be what killed it, so these are to be read with care.
"""

import base64
from dataclasses import dataclass, field, replace
from typing import Final

__all__ = ["OffsetLedger", "Progress"]


_LET_GO: Final = "."
"""Behind the bitmap. It is no letter of base 85."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What a commit says: the watermark, which offsets above it have finished, and whether its writer let go."""

    offset: int
    metadata: str

    @classmethod
    def untouched(cls, offset: int) -> "Progress":
        """Of a partition that nobody has had yet."""
        return cls(offset, _LET_GO)

    @property
    def is_let_go(self) -> bool:
        return self.metadata.endswith(_LET_GO)


@dataclass(slots=True)
class OffsetLedger:
    """The offsets of one partition between its watermark and the last one delivered."""

    next_offset: int
    """The offset expected next: everything below has been delivered here or was done before."""
    _pending: dict[int, float] = field(default_factory=dict)
    """Offsets in the order they came, and when."""
    _done: set[int] = field(default_factory=set)
    _risky_below: int = 0

    @classmethod
    def resume(cls, progress: Progress, log_end: int) -> "OffsetLedger":
        """Go on where the partition's former owner was. Unreadable metadata is somebody else's: it says nothing.

        `log_end` bounds what that owner can have had in hand.
        """
        risky_below = 0 if progress.is_let_go else log_end
        return cls(next_offset=progress.offset, _done=_decode(progress), _risky_below=risky_below)

    @property
    def watermark(self) -> int:
        return next(iter(self._pending), self.next_offset)

    @property
    def span(self) -> int:
        """How far deliveries have run ahead of the watermark."""
        return self.next_offset - self.watermark

    @property
    def pending(self) -> int:
        return len(self._pending)

    @property
    def oldest(self) -> float | None:
        """When the pending offset that has been here longest was admitted."""
        return next(iter(self._pending.values()), None)

    def is_risky(self, offset: int) -> bool:
        """Whether a worker may have died of the record at `offset`."""
        return offset < self._risky_below

    def admit(self, offset: int, now: float) -> bool:
        """Whether the record at `offset` must be worked on: False when it runs here already or has finished."""
        if offset < self.next_offset:
            return False
        self.next_offset = offset + 1
        if offset in self._done:
            return False
        self._pending[offset] = now
        return True

    def is_pending(self, offset: int) -> bool:
        return offset in self._pending

    def finish(self, offset: int) -> None:
        if offset in self._pending:
            del self._pending[offset]
            self._done.add(offset)

    def learn(self, progress: Progress) -> None:
        """Another owner may have come further meanwhile: what it finished has ended, even if it still runs here."""
        self._done |= _decode(progress)
        self._pending = {
            offset: came
            for offset, came in self._pending.items()
            if offset >= progress.offset and offset not in self._done
        }
        self.next_offset = max(self.next_offset, progress.offset)

    def progress(self) -> Progress:
        watermark = self.watermark
        self._done = {offset for offset in self._done if offset >= watermark}
        return Progress(watermark, _encode(watermark, self._done))

    def last_progress(self) -> Progress:
        """As `progress`, for the last commit of an owner who is alive. It keeps quiet about what is still risky."""
        progress = self.progress()
        return replace(progress, metadata=progress.metadata + _LET_GO) if self._is_safe else progress

    @property
    def _is_safe(self) -> bool:
        return self.watermark >= self._risky_below


def _encode(watermark: int, done: set[int]) -> str:
    if not done:
        return ""
    bits = bytearray((max(done) - watermark) // 8 + 1)
    for offset in done:
        place = offset - watermark
        bits[place // 8] |= 1 << place % 8
    return base64.b85encode(bits).decode()


def _decode(progress: Progress) -> set[int]:
    try:
        bits = base64.b85decode(progress.metadata.removesuffix(_LET_GO))
    except ValueError:
        return set()
    return {progress.offset + place for place in range(8 * len(bits)) if bits[place // 8] >> place % 8 & 1}
