"""How is a wait ended by a limit, when there is one wait per token? One lazy timer serves all waits of an attempt.

`asyncio.timeout` around every read would make and cancel a timer per token. This one is moved only when a limit comes
earlier than the timer stands; otherwise the timer, when it fires, finds that the limit has moved on and goes after it.
It strikes only while the attempt waits for the provider: the time that the reader of the events takes is not counted.
"""

import asyncio

from services.router_worker.failures import FailureKind
from services.router_worker.resilience.deadline import Limit

__all__ = ["Alarm"]


class Alarm:
    """For one attempt, in one task: `watch` comes right before each wait, and `rest` right behind it.

    The wait is ended by cancelling that task. Whoever catches that asks `struck` whose cancellation it was.
    """

    __slots__ = ("_cancelling", "_limit", "_loop", "_struck", "_task", "_timer", "_waiting")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._limit: Limit | None = None
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0
        self._waiting = False
        self._struck = False

    def watch(self, limit: Limit) -> None:
        self._limit = limit
        self._waiting = True
        if self._task is None:  # asked once: it is dear, and there is a wait per token
            self._task = asyncio.current_task()
            self._cancelling = self._task.cancelling() if self._task else 0
        if self._timer is None or self._timer.when() > limit.at:
            self._set(limit.at)

    def rest(self) -> None:
        self._waiting = False

    def struck(self) -> FailureKind | None:
        """The limit that ended the wait; None when the cancellation came from outside, which then goes on.

        As in `asyncio.timeout`: of two cancellations at once, the one from outside has precedence.
        """
        self._waiting = False
        if self._task is None or self._limit is None or not self._struck:
            return None
        self._struck = False
        return self._limit.kind if self._task.uncancel() <= self._cancelling else None

    def close(self) -> None:
        """Afterwards no timer is left."""
        self._waiting = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(at, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if not self._waiting or self._task is None or self._limit is None:
            return
        if self._loop.time() < self._limit.at:
            self._set(self._limit.at)
            return
        self._struck = True
        self._task.cancel()
