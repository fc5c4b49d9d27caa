"""How a process begins and ends: one loop, one stop event, one place where what went wrong becomes an exit code.

0: ended as asked. 1: the operator must mend something; told in plain lines. 3: a fault of ours, with its traceback.
"""

import asyncio
import gc
import os
import random
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeVar

import structlog
import uvloop

from shared.backoff import Backoff
from shared.errors import OperatorError

__all__ = ["Backoff", "Startup", "Stopping", "run", "sleep_unless", "spare_the_collector", "until_reachable"]

log = structlog.get_logger()

T = TypeVar("T")

_WRONG_SETUP: Final = 1
_FAULT: Final = 3
_LET_GO_SECONDS: Final = 2.0
_PATIENCE: Final = Backoff(base_seconds=0.1, cap_seconds=3.0)


class Stopping(Exception):  # noqa: N818 - not an error: the process was asked to end while it was waiting
    """The stop event came while something was awaited at the start; the process ends with exit code 0."""


def run(main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run `main` until it returns; SIGTERM and SIGINT set the event it is given, a second one kills the process.

    Returns when all went well, else raises SystemExit. Call it as the last line of `__main__`.
    """
    try:
        uvloop.run(_until_stopped(main))
    except BaseException as error:
        code = _exit_code(error)
        if code is None:
            raise
        if code:
            sys.exit(code)


def spare_the_collector() -> None:
    """Call it when all is built. What a service makes from then on lives for milliseconds and hardly forms cycles.

    With Python's own thresholds the collector walks it, and everything imported, all the time: reading a usage event
    then takes twice as long, and each full collection stops every stream for tens of milliseconds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


async def until_reachable(
    name: str,
    probe: Callable[[], Awaitable[T]],
    stop: asyncio.Event,
    *,
    backoff: Backoff = _PATIENCE,
    attempt_seconds: float = 5.0,
    log_seconds: float = 5.0,
    away: tuple[type[Exception], ...] = (Exception,),
) -> T:
    """Call `probe` until it returns, and return that; tell every few seconds what is waited for and why.

    `away` is what `probe` raises while the server is away: anything, unless it is said. Blocks as long as that. Raises
    Stopping when the stop event comes first, OperatorError as it is, and whatever does not mean that it is away.
    """
    began = time.monotonic()
    logged = -log_seconds
    failures = 0
    while True:
        try:
            async with asyncio.timeout(attempt_seconds):
                found = await probe()
        except OperatorError:
            raise
        # Nothing is swallowed: each failure is told, and only success goes on.
        except away as error:
            failures += 1
            waited = time.monotonic() - began
            if waited - logged >= log_seconds:
                logged = waited
                log.warning("waiting_for_server", server=name, waited_seconds=round(waited, 1), reason=_reason(error))
        else:
            if failures:
                log.info("server_reachable", server=name, waited_seconds=round(time.monotonic() - began, 1))
            return found
        if await sleep_unless(stop, backoff.delay(failures, random.random())):  # noqa: S311 - jitter, not a secret
            raise Stopping(name)


class Startup:
    """What a process waits for before it is ready, and whether it is about to end: for those who ask meanwhile."""

    def __init__(self, stop: asyncio.Event) -> None:
        self._stop = stop
        self._awaited: str | None = None
        self.is_over = False

    async def reach(
        self,
        server: str,
        probe: Callable[[], Awaitable[T]],
        *,
        attempt_seconds: float = 5.0,
        away: tuple[type[Exception], ...] = (Exception,),
    ) -> T:
        """As `until_reachable`."""
        self._awaited = server
        found = await until_reachable(server, probe, self._stop, attempt_seconds=attempt_seconds, away=away)
        self._awaited = None
        return found

    async def begin(self, server: str, beginning: Coroutine[Any, Any, None]) -> None:
        """Wait for what cannot be tried twice, and talks to `server`. Raises what it raises.

        Raises Stopping, after it has been cancelled, when the stop event comes first. What does not end then is left to
        itself: the process is about to.
        """
        self._awaited = server
        begun = asyncio.create_task(beginning, name=f"begin {server}")
        stopped = asyncio.create_task(self._stop.wait(), name="stop")
        try:
            await asyncio.wait({begun, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not begun.done():
                raise Stopping(server)
        finally:
            begun.cancel()
            stopped.cancel()
            await asyncio.wait({begun, stopped}, timeout=_LET_GO_SECONDS)
        begun.result()
        self._awaited = None

    def over(self) -> None:
        """From now on the process says for itself what is missing."""
        self.is_over = True

    def missing(self) -> dict[str, str | None]:
        if self._stop.is_set():
            return {"process": "stopping"}
        if self._awaited is not None:
            return {self._awaited: "has not answered yet"}
        return {"process": None if self.is_over else "starting"}


async def sleep_unless(stop: asyncio.Event, seconds: float) -> bool:
    """Sleep, but wake at once when the event is set; says whether it is."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return False
    return True


async def _until_stopped(main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def begin_to_stop(received: signal.Signals) -> None:
        log.info("stopping", signal=received.name)
        stop.set()
        # From now on signals have the system's own effect: the second one ends the process, whatever it is stuck in.
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(each)
            signal.signal(each, signal.SIG_DFL)

    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, begin_to_stop, each)
    await main(stop)


def _exit_code(error: BaseException) -> int | None:
    """Tell what happened; None for what is not ours to translate, such as SystemExit."""
    causes = _leaves(error)
    if all(isinstance(cause, Stopping) for cause in causes):
        return 0
    wrong = [cause for cause in causes if isinstance(cause, OperatorError)]
    if wrong:
        for line in dict.fromkeys(line for cause in wrong for line in str(cause).splitlines()):
            sys.stderr.write(f"sluice: {line}\n")
        return _WRONG_SETUP
    if isinstance(error, Exception | ExceptionGroup):
        log.critical("fault", exc_info=error, pid=os.getpid())
        return _FAULT
    return None


def _leaves(error: BaseException) -> list[BaseException]:
    """A task group wraps what its tasks raise, at any depth."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]


def _reason(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
