"""Runs a command that cannot outlive us: not after Ctrl-C, not after an exception, not after our own SIGKILL."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence
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

    def __init__(self, pid: int, keeper: asyncio.subprocess.Process) -> None:
        self.pid = pid
        self._keeper = keeper
        self._end = asyncio.create_task(_end_of(keeper))

    @property
    def returncode(self) -> int | None:
        """None while it runs; afterwards its exit code, negative for the signal that ended it."""
        return self._end.result() if self._end.done() else None

    async def wait(self) -> int:
        return await asyncio.shield(self._end)

    def kill(self) -> None:
        """SIGKILL the command and all in its process group. Returns at once; `wait` tells when it is over."""
        self._order(b"k")

    async def stop(self, grace_seconds: float = 10.0) -> int:
        """Ask the command to end, and kill it when it has not within the grace. Afterwards it is gone."""
        self._order(b"s")
        try:
            async with asyncio.timeout(grace_seconds):
                return await self.wait()
        except TimeoutError:
            self.kill()
            return await self.wait()

    def _order(self, order: bytes) -> None:
        if self._keeper.stdin is not None and not self._end.done():
            self._keeper.stdin.write(order)


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
    with log.open("ab") as output:
        keeper = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", KEEPER),
            *(str(orphan_grace_seconds), str(int(stop_signal)), *who),
            *map(str, command),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=output,
            env=dict(env),
            cwd=cwd,
            start_new_session=True,  # Ctrl-C in the terminal reaches us alone, and we stop things in order
            pass_fds=tuple(held),
        )
    pid = await _report(keeper, "pid")
    if pid is None:
        raise ChildProcessError(f"the keeper of {command[0]} ended at once; see {log}")
    return Leashed(pid, keeper)


async def _end_of(keeper: asyncio.subprocess.Process) -> int:
    code = await _report(keeper, "exit")
    if keeper.stdin is not None:
        keeper.stdin.close()
        with contextlib.suppress(ConnectionError):
            await keeper.stdin.wait_closed()
    await keeper.wait()
    return -int(signal.SIGKILL) if code is None else code  # a keeper that was killed takes its command along


async def _report(keeper: asyncio.subprocess.Process, word: str) -> int | None:
    """The number the keeper reports next under this word; None when the keeper is gone."""
    if keeper.stdout is None:
        return None
    line = (await keeper.stdout.readline()).decode()
    return int(line.removeprefix(word)) if line.startswith(word) else None
