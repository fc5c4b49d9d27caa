"""How is a wait ended by a limit, when there is one wait per token? One lazy timer serves all waits of a stream.

`asyncio.timeout` around every read or write would make and cancel a timer per token. This one is moved only when a
limit comes earlier than the timer stands; otherwise the timer, when it fires, finds that the limit has moved on and
goes after it. It strikes only between `watch` and `rest`: what else the task does takes as long as it likes.
"""

import asyncio

__all__ = ["Alarm"]


class Alarm:
    """For one task: `watch` comes right before each wait, and `rest` right behind it.

    The wait is ended by cancelling that task. Whoever catches that asks `struck` whose cancellation it was.
    """

    __slots__ = ("_at", "_cancelling", "_loop", "_struck", "_task", "_timer", "_waiting")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._at = 0.0
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0
        self._waiting = False
        self._struck = False

    def watch(self, at: float) -> None:
        """Strike at `at`, in the loop's seconds, unless the wait has ended by then."""
        self._at = at
        self._waiting = True
        if self._task is None:  # asked once: it is dear, and there is a wait per token
            self._task = asyncio.current_task()
            self._cancelling = self._task.cancelling() if self._task else 0
        if self._timer is None or self._timer.when() > at:
            self._set(at)

    def rest(self) -> None:
        self._waiting = False

    def struck(self) -> bool:
        """Whether the limit ended the wait; False when the cancellation came from outside, which then goes on.

        As in `asyncio.timeout`: of two cancellations at once, the one from outside has precedence.
        """
        self._waiting = False
        if self._task is None or not self._struck:
            return False
        self._struck = False
        return self._task.uncancel() <= self._cancelling

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
        if not self._waiting or self._task is None:
            return
        if self._loop.time() < self._at:
            self._set(self._at)
            return
        self._struck = True
        self._task.cancel()
