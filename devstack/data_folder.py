"""Who may use a stack's data folder: one stack at a time, counting servers that are still on their way out."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from devstack.server import ServersUnavailable

# As long as the slowest server takes to end after its stack was killed.
PREDECESSOR_SECONDS = 30.0
POLL_SECONDS = 0.05


@asynccontextmanager
async def exclusive(folder: Path) -> AsyncIterator[int]:
    """Hold the folder; yields the descriptor of the lock, to be kept open by whatever still writes here.

    A living owner raises ServersUnavailable at once. A dead one's servers are given time to end.
    """
    lock = _opened(folder)
    try:
        await _acquire(lock, folder)
        os.truncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        yield lock
    finally:
        os.close(lock)


def _opened(folder: Path) -> int:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return os.open(folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ServersUnavailable(f"The servers' data cannot be kept in {folder}: {error.strerror}.") from error


async def _acquire(lock: int, folder: Path) -> None:
    try:
        async with asyncio.timeout(PREDECESSOR_SECONDS):
            while True:
                try:
                    return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    owner = int(os.pread(lock, 32, 0) or b"0")
                    if _lives(owner):
                        raise ServersUnavailable(f"A stack runs on {folder} already (pid {owner}).") from None
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        raise ServersUnavailable(f"The servers of an earlier stack on {folder} do not end.") from None


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid > 0
