"""Runs a command that cannot outlive us: not after Ctrl-C, not after an exception, not after our own SIGKILL."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from devstack import leash_keeper

KEEPER = Path(leash_keeper.__file__)


@dataclass(frozen=True, slots=True)
class User:
    """Whom a command runs as, when we are root and it must not be."""

    uid: int
    gid: int


class Leashed:
    """A running command. `pid` is the command's own; a keeper stands between it and us (see `leash_keeper`)."""

    def __init__(self, pid: int, keeper: "_Keeper") -> None:
        self.pid = pid
        self._keeper = keeper

    @property
    def returncode(self) -> int | None:
        """None while it runs; afterwards its exit code, negative for the signal that ended it."""
        return self._keeper.end.result() if self._keeper.end.done() else None

    async def wait(self) -> int:
        """Afterwards neither the command nor its keeper runs."""
        return await asyncio.shield(self._keeper.end)

    def kill(self) -> None:
        """SIGKILL the command and all in its process group. Returns at once; `wait` tells when it is over."""
        self._keeper.order(b"k")

    async def stop(self, grace_seconds: float = 10.0) -> int:
        """Ask the command to end, and kill it when it has not within the grace. Afterwards it is gone."""
        self._keeper.order(b"s")
        try:
            async with asyncio.timeout(grace_seconds):
                return await self.wait()
        except TimeoutError:
            self.kill()
            return await self.wait()


async def leashed(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    log: Path,
    cwd: Path | None = None,
    user: User | None = None,
    stop_signal: signal.Signals = signal.SIGTERM,
    orphan_grace_seconds: float = 10.0,
    held: Iterable[int] = (),
) -> Leashed:
    """Start a command whose output is appended to `log` and that ends when this process does.

    Left alone by our death it gets `stop_signal`, and SIGKILL after `orphan_grace_seconds`. The descriptors in `held`
    (a lock, say) stay open until it has ended. A command that cannot be run ends with 127 and a line in the log.
    """
    who = (str(user.uid), str(user.gid)) if user else ("-1", "-1")
    keeping = (sys.executable, "-I", "-S", KEEPER, str(orphan_grace_seconds), str(int(stop_signal)), *who)
    orders_end, orders = os.pipe()
    report, report_end = os.pipe()
    # Not asyncio's own subprocesses: those kill the keeper when they are forgotten, and the command would be left.
    with log.open("ab") as output, os.fdopen(orders_end, "rb") as stdin, os.fdopen(report_end, "wb") as stdout:
        try:
            process = subprocess.Popen(  # noqa: ASYNC220 -- it returns as soon as the keeper is forked
                [*keeping, *command],
                stdin=stdin,
                stdout=stdout,
                stderr=output,
                env=dict(env),
                cwd=cwd,
                start_new_session=True,  # Ctrl-C in the terminal reaches us alone, and we stop things in order
                pass_fds=tuple(held),
            )
        except OSError:
            os.close(orders)
            os.close(report)
            raise
    return await kept_by(report, orders, process.wait, f"the keeper of {command[0]} ended at once; see {log}")


async def kept_by(report: int, orders: int, bury: Callable[[], object], complaint: str) -> Leashed:
    """The command of a keeper whose pipes these are; `bury` is called once it has ended.

    Raises ChildProcessError with the complaint when the keeper ends before it has begun.
    """
    keeper = _Keeper(report, orders, bury)
    try:
        pid = await asyncio.shield(keeper.pid)
    except asyncio.CancelledError:
        keeper.let_go()
        raise
    if pid is None:
        raise ChildProcessError(complaint)
    return Leashed(pid, keeper)


class _Keeper:
    """Our end of the keeper: orders go out, its report comes in (the command's pid, later its exit code)."""

    def __init__(self, report: int, orders: int, bury: Callable[[], object]) -> None:
        self._loop = asyncio.get_running_loop()
        self.pid: asyncio.Future[int | None] = self._loop.create_future()
        self.end: asyncio.Future[int] = self._loop.create_future()
        self._bury = bury
        self._report = report
        self._orders: int | None = orders
        self._told = b""
        self._loop.add_reader(report, self._hear)

    def order(self, order: bytes) -> None:
        if self._orders is not None:
            with contextlib.suppress(BrokenPipeError):  # it ends just now
                os.write(self._orders, order)

    def let_go(self) -> None:
        """Close the pipe, which the keeper takes for our death."""
        if self._orders is not None:
            os.close(self._orders)
            self._orders = None

    def _hear(self) -> None:
        told = os.read(self._report, 1024)
        self._told += told
        if b"\n" in self._told and not self.pid.done():
            self.pid.set_result(self._number(b"pid"))
        if not told:
            self._ended()

    def _ended(self) -> None:
        self._loop.remove_reader(self._report)
        os.close(self._report)
        self.let_go()
        self._bury()  # it has closed its output, so it is ending or has ended
        if not self.pid.done():
            self.pid.set_result(None)
        code = self._number(b"exit")
        # A keeper that was killed takes its command along.
        self.end.set_result(-int(signal.SIGKILL) if code is None else code)

    def _number(self, word: bytes) -> int | None:
        told = (line.split() for line in self._told.splitlines())
        return next((int(value) for key, value in told if key == word), None)
