"""When is it whose turn? One timer for all streams, on a grid of a millisecond: hundreds of streams that speak every
20 ms share a wake-up instead of having a timer each."""

import asyncio
import math
from collections.abc import Callable
from heapq import heappop, heappush

__all__ = ["Pace", "Turn"]

Turn = Callable[[], None]

_TICKS_PER_SECOND = 1000


class Pace:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._turns: dict[int, list[Turn]] = {}
        self._ticks: list[int] = []
        self._timer: asyncio.TimerHandle | None = None
        self._timer_tick = 0
        self._past = 0
        """The last tick whose turns have been called."""

    def now(self) -> float:
        return self._loop.time()

    def at(self, due: float, turn: Turn) -> None:
        """Call `turn` at `due`, by `now`, or up to a millisecond later. It cannot be taken back.

        Never in the wake-up that is going on: who is always due must not keep the others waiting.
        """
        tick = max(math.ceil(due * _TICKS_PER_SECOND), self._past + 1)
        turns = self._turns.get(tick)
        if turns is not None:
            turns.append(turn)
            return
        self._turns[tick] = [turn]
        heappush(self._ticks, tick)
        if self._timer is None or tick < self._timer_tick:
            self._set_timer(tick)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._turns.clear()
        self._ticks.clear()

    def _set_timer(self, tick: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_tick = tick
        self._timer = self._loop.call_at(tick / _TICKS_PER_SECOND, self._wake)

    def _wake(self) -> None:
        self._timer = None
        # The timer may fire a little early; its own tick is due in any case.
        self._past = max(self._timer_tick, int(self._loop.time() * _TICKS_PER_SECOND))
        while self._ticks and self._ticks[0] <= self._past:
            for turn in self._turns.pop(heappop(self._ticks)):
                turn()
        if self._ticks and self._timer is None:
            self._set_timer(self._ticks[0])
