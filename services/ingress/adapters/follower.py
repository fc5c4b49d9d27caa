"""One reader's way through a log: what comes by the channel when it continues the log, the log itself when it does not.

Theory. Entries arrive by this replica's channel, in order, but the channel may lose some: a dying connection, a flushed
Redis, a reader too slow for its queue. So a follower trusts the ids alone. What continues them is handed on, what is
behind them is dropped, and on everything else (a gap, a new epoch, an overflow, a reconnect, a refilled log, silence)
it is *due* to read the log again from its cursor. Reading again registers it again, too.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum

from services.ingress.adapters.continuity import Step, step
from services.ingress.ports import UnavailableError
from shared.job_log import Cursor, Entry

__all__ = ["Cause", "Follower", "Reread"]

Reread = Callable[[Cursor], Awaitable[Sequence[Entry]]]
"""Registers the reader and gives the log after the cursor. Raises UnavailableError."""

_SHORTEST_SILENCE = 3.0
_LONGEST_SILENCE = 10.0
"""A log that has begun is looked at after 3 s without an entry, then ever more rarely; one that has not, every 10 s."""
_PAUSE_WHEN_AWAY = 0.5


class Cause(StrEnum):
    """Why a log is read again."""

    OVERFLOW = "overflow"
    GAP = "gap"
    SILENCE = "silence"
    RECONNECT = "reconnect"
    REFILL = "refill"
    CROSSED = "crossed"
    """Another reader of the job was signed off just then."""


class Follower:
    """Implements `ports.Following`; `offer` and `reread` are for the one who listens to the channel."""

    __slots__ = (
        "_bound",
        "_cursor",
        "_due",
        "_look_at",
        "_noted",
        "_queue",
        "_read",
        "_ready",
        "_silence",
        "_timer",
        "_until",
        "_waiter",
        "over",
    )

    def __init__(self, after: Cursor, read: Reread, noted: Callable[[Cause], None], *, bound: int) -> None:
        self.over = False
        """Whether the terminal entry was given."""
        self._cursor = after
        self._read = read
        self._noted = noted
        self._bound = bound
        self._queue: deque[Entry] = deque()
        self._ready: Sequence[Entry] = ()
        self._due = False
        self._waiter: asyncio.Future[None] | None = None
        self._until = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._silence = _LONGEST_SILENCE
        self._look_at = asyncio.get_running_loop().time() + self._silence

    def offer(self, entry: Entry) -> None:
        if self._due:
            return
        if len(self._queue) >= self._bound:
            self.reread(Cause.OVERFLOW)
            return
        self._queue.append(entry)
        self._wake()

    def reread(self, cause: Cause) -> None:
        """The channel is not to be trusted just now."""
        self._queue.clear()
        self._due = True
        self._noted(cause)
        self._wake()

    async def begin(self) -> None:
        """Read what the log holds already. Raises UnavailableError."""
        self._ready = await self._read_log()

    async def next(self, patience: float) -> Sequence[Entry]:
        loop = asyncio.get_running_loop()
        until = loop.time() + patience
        while True:
            entries = await self._look()
            now = loop.time()
            if entries:
                self.over = entries[-1].type.is_terminal
                self._silence = _SHORTEST_SILENCE if self._cursor.epoch else _LONGEST_SILENCE
                self._look_at = now + self._silence
                return entries
            if entries is not None and self._due:
                continue  # what was taken ended at a gap
            if now >= until:
                return ()
            if entries is None:
                await asyncio.sleep(min(_PAUSE_WHEN_AWAY, until - now))
            elif now >= self._look_at:
                self._silence = min(self._silence * 2, _LONGEST_SILENCE)
                self._look_at = now + self._silence
                self.reread(Cause.SILENCE)
            else:
                await self._wait(min(until, self._look_at))

    async def _look(self) -> Sequence[Entry] | None:
        """What there is right now; None when the log had to be read again and Redis is away."""
        if self._ready:
            ready, self._ready = self._ready, ()
            return ready
        if not self._due:
            return self._take()
        self._due = False  # before the call: what makes it due meanwhile makes it due again
        try:
            return await self._read_log()
        except UnavailableError:
            self._due = True
            return None

    async def _read_log(self) -> Sequence[Entry]:
        """What comes by the channel meanwhile is queued, and judged against the new cursor afterwards."""
        entries = await self._read(self._cursor)
        if entries:
            self._cursor = entries[-1].cursor
        return entries

    def _take(self) -> list[Entry]:
        taken: list[Entry] = []
        cursor = self._cursor
        for entry in self._queue:
            match step(cursor, entry.cursor):
                case Step.NEXT:
                    taken.append(entry)
                    cursor = entry.cursor
                case Step.GAP:
                    self.reread(Cause.GAP)
                    break
                case Step.STALE:
                    pass
        self._cursor = cursor
        self._queue.clear()
        return taken

    def close(self) -> None:
        """Afterwards no timer is left."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _wait(self, until: float) -> None:
        """Until woken, but not past `until`."""
        self._until = until
        if self._timer is None or self._timer.when() > until:
            self._ring_at(until)
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _ring_at(self, at: float) -> None:
        """One lazy timer for all waits: a timer for each would cost more than the rest of a delta."""
        self.close()
        self._timer = asyncio.get_running_loop().call_at(at, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._waiter is None:
            return
        if asyncio.get_running_loop().time() < self._until:
            self._ring_at(self._until)
        else:
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
