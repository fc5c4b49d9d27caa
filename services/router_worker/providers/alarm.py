"""How is a wait ended by a limit, when there is one wait per token? One lazy timer serves all waits of an attempt.

`asyncio.timeout` around every read would make and cancel a timer per token. This one is moved only when a limit comes
earlier than the timer stands; otherwise the timer, when it fires, finds that the limit has moved on and goes after it.
It strikes only while the attempt waits for the provider: the time that the reader of the events takes is not counted.
"""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from services.router_worker.failures import FailureKind
from services.router_worker.resilience.deadline import Limit

__all__ = ["Alarm", "LimitReached"]

T = TypeVar("T")


class LimitReached(Exception):  # noqa: N818 - an event of a normal day, not a mistake
    def __init__(self, kind: FailureKind) -> None:
        super().__init__(kind)
        self.kind = kind


class Alarm:
    """For one attempt, by one task at a time."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._limit: Limit | None = None
        self._task: asyncio.Task[object] | None = None
        """The task that waits."""
        self._struck = False

    async def wait(self, for_: Awaitable[T], limit: Limit) -> T:
        """Raises LimitReached, having cancelled `for_`, when `limit` passes first."""
        self._limit = limit
        if self._timer is None or self._timer.when() > limit.at:
            self._set(limit)
        self._task = task = asyncio.current_task()
        cancelling = task.cancelling() if task else 0
        try:
            return await for_
        except asyncio.CancelledError:
            # As in `asyncio.timeout`: a cancellation from outside that came at the same time has precedence.
            if task and self._struck and task.uncancel() <= cancelling:
                raise LimitReached(limit.kind) from None
            raise
        finally:
            self._task = None
            self._struck = False

    def close(self) -> None:
        """Afterwards no timer is left."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set(self, limit: Limit) -> None:
        self.close()
        self._timer = self._loop.call_at(limit.at, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._task is None or self._limit is None:
            return
        if self._loop.time() < self._limit.at:
            self._set(self._limit)
            return
        self._struck = True
        self._task.cancel()
