"""What happens to records: read one by one, kept in one transaction a batch, the unreadable ones set aside.

Nothing that was taken is lost: while a server is away the same batch is tried again, for ever, and everything behind it
waits in Kafka. One record never holds up the others: a row that the database can never store is found by halving the
batch, and set aside.
"""

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import structlog

from services.accounting.ports import (
    Added,
    AwayError,
    Consumed,
    DeadLetters,
    Meter,
    Place,
    Record,
    UnreadableError,
    UnstorableError,
)
from shared.backoff import Backoff
from shared.burials import BurialLimit
from shared.clock import Clock
from shared.contracts import DeadLetter, DeadLetterReason

__all__ = ["Keep", "Reading", "Recording"]

log = structlog.get_logger("accounting")

M = TypeVar("M")

Keep = Callable[[Sequence[M], Consumed], Awaitable[Added]]
"""Keeps the messages and moves the offsets, all or nothing. Raises AwayError or UnstorableError."""

_PATIENCE: Final = Backoff(base_seconds=0.1, cap_seconds=0.5)
"""A server that is back is found at once; to ask one that is not costs next to nothing."""
_TOLD_SECONDS: Final = 10
"""Between two lines of the log that say for what is being waited."""
_MESSAGE_LIMIT: Final = 500
_AT_ONCE: Final = 250
"""Records read before others have a turn: the batch before is on its way to the database meanwhile."""


@dataclass(frozen=True, slots=True)
class Reading(Generic[M]):
    """Records that were read and are not recorded yet."""

    readable: Sequence[tuple[Record, M]]
    letters: Sequence[DeadLetter]
    consumed: Consumed
    newest_ms: int

    @classmethod
    def of(cls, portions: "Sequence[Reading[M]]") -> "Reading[M]":
        """In the order in which they were read, and at least one."""
        if len(portions) == 1:
            return portions[0]
        return Reading(
            readable=[each for portion in portions for each in portion.readable],
            letters=[letter for portion in portions for letter in portion.letters],
            consumed={place: offset for portion in portions for place, offset in portion.consumed.items()},
            newest_ms=portions[-1].newest_ms,
        )


class Recording(Generic[M]):
    """Records one kind of message; `take` is the whole of it."""

    def __init__(
        self,
        *,
        read: Callable[[bytes], M],
        keep: Keep[M],
        dead_letters: DeadLetters,
        meter: Meter,
        clock: Clock,
        patience: Backoff = _PATIENCE,
        most_letters: int = 100,
    ) -> None:
        self.missing: str | None = None
        """What the batch in hand waits for, in words; None while nothing is away."""
        self._read = read
        self._keep = keep
        self._dead_letters = dead_letters
        self._meter = meter
        self._clock = clock
        self._patience = patience
        self._limit = BurialLimit(most_letters)

    async def take(self, records: Sequence[Record]) -> Consumed:
        """Afterwards every record is in the database or in the dead letters. Blocks while a server is away."""
        return await self.record([await self.read(records)])

    async def read(self, records: Sequence[Record]) -> Reading[M]:
        """Nothing has happened yet when it returns. Does not hold up the loop."""
        readable: list[tuple[Record, M]] = []
        letters: list[DeadLetter] = []
        for number, record in enumerate(records):
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
            try:
                readable.append((record, self._read(record.value or b"")))
            except UnreadableError as error:
                letters.append(self._letter(record, error.reason, str(error)))
        return Reading(readable, letters, _reach(records), records[-1].timestamp)

    async def record(self, portions: Sequence[Reading[M]]) -> Consumed:
        """As `take`, of what has been read, in one transaction."""
        reading = Reading[M].of(portions)
        await self._bury(reading.letters)
        await self._keep_all(reading.readable, reading.consumed)
        self._meter.caught_up_to(reading.newest_ms)
        return reading.consumed

    async def _keep_all(self, readable: Sequence[tuple[Record, M]], consumed: Consumed) -> None:
        messages = [message for _, message in readable]
        try:
            await self._patiently(lambda: self._timed(messages, consumed))
        except UnstorableError as error:
            if len(readable) <= 1:
                await self._bury([self._letter(record, DeadLetterReason.SCHEMA, str(error)) for record, _ in readable])
                await self._keep_all((), consumed)
                return
            middle = len(readable) // 2
            # The offsets move with the second half: they say that everything before them is kept.
            await self._keep_all(readable[:middle], {})
            await self._keep_all(readable[middle:], consumed)

    async def _timed(self, messages: Sequence[M], consumed: Consumed) -> None:
        began = time.perf_counter()
        added = await self._keep(messages, consumed)
        self._meter.kept(len(messages), added, time.perf_counter() - began)

    async def _bury(self, letters: Sequence[DeadLetter]) -> None:
        if letters:
            await self._patiently(lambda: self._admit(len(letters)))
            await self._patiently(lambda: self._dead_letters.put(letters))
            self._meter.buried(letters)

    async def _admit(self, letters: int) -> None:
        """Raises AwayError for ever when there are too many: then it is more likely that this process is wrong."""
        if not self._limit.admit(time.monotonic(), letters):
            raise AwayError(str(self._limit))

    async def _patiently(self, act: Callable[[], Awaitable[None]]) -> None:
        """Do it, however long it takes. Raises what `act` raises but AwayError."""
        failures, told = 0, -math.inf
        while True:
            try:
                await act()
            except AwayError as error:
                failures += 1
                self.missing = str(error)
                if time.monotonic() - told >= _TOLD_SECONDS:
                    told = time.monotonic()
                    log.warning("recording_waits", failures=failures, reason=str(error))
            else:
                if failures:
                    log.info("recording_goes_on", failures=failures)
                self.missing = None
                return
            await asyncio.sleep(self._patience.delay(failures, random.random()))  # noqa: S311 - jitter, not a secret

    def _letter(self, record: Record, reason: DeadLetterReason, message: str) -> DeadLetter:
        return DeadLetter(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            key=record.key,
            value=record.value or b"",
            headers=tuple((name, value.decode(errors="replace")) for name, value in record.headers),
            reason=reason,
            message=message[:_MESSAGE_LIMIT],
            service="accounting",
            failed_at=self._clock(),
        )


def _reach(records: Sequence[Record]) -> Consumed:
    """Records of a partition are in order, so the last of each is the highest; mostly they come one after the other."""
    reached: dict[Place, int] = {}
    for record, following in zip(records, (*records[1:], None), strict=True):
        if following is None or record.partition != following.partition or record.topic != following.topic:
            reached[Place(record.topic, record.partition)] = record.offset + 1
    return reached
