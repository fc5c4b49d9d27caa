"""Whose entries are written next, and when? Those that are in a hurry at once, all others together with the next tick.

Theory. A write costs much the same however many entries it carries, and two tokens of a stream that are written
together are one event for its readers. While the process keeps up, a tick is too short to be noticed. When it does not,
its timers ring late, and the next tick is longer for that: what is behind is worked off in fewer and larger pieces,
instead of falling further behind. Who is in a hurry, with a first token or an end, takes nobody along: of those there
may be hundreds a second.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from services.router_worker.publishing.journal import Journal

__all__ = ["Turns", "tick_after"]

_LATENESSES: Final = 3.0
_LONGEST_SECONDS: Final = 0.1


def tick_after(late: float, shortest: float) -> float:
    """How long the next tick is, in seconds, when the last one came so late."""
    return max(shortest, min(_LATENESSES * late, _LONGEST_SECONDS))


class Turns:
    def __init__(self, tick_seconds: float) -> None:
        self._shortest = self._tick = tick_seconds
        self._waiting: dict[Journal, None] = {}
        self._hurried: dict[Journal, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._has_rung = False
        self._wake = asyncio.Event()

    def note(self, journal: Journal, urgent: bool) -> None:
        """It has something to say."""
        if urgent:
            self._waiting.pop(journal, None)
            self._hurried[journal] = None
            self._wake.set()
        elif journal not in self._hurried:
            self._waiting[journal] = None
            if self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(self._tick, self._ring)

    async def next(self) -> Sequence[Journal]:
        """Those whose turn it is; waits until there are some."""
        await self._wake.wait()
        self._wake.clear()
        taken = list(self._hurried)
        self._hurried.clear()
        if self._has_rung:
            self._has_rung = False
            taken += self._waiting
            self._waiting.clear()
        return taken

    def _ring(self) -> None:
        if self._timer is not None:
            self._tick = tick_after(asyncio.get_running_loop().time() - self._timer.when(), self._shortest)
        self._timer = None
        self._has_rung = True
        self._wake.set()
