"""The small process between us and a command: it runs the command and ends it when we are gone.

Theory. A parent that dies by SIGKILL cannot clean up, so somebody else must notice. Two ways exist, each with a hole:
  * Linux can send a signal when the parent dies (PR_SET_PDEATHSIG), but "the parent" there is the *thread* that forked:
    a worker thread that ends would take a healthy server down. macOS has nothing like it.
  * A pipe whose writing end only the parent holds reads as closed once the parent is gone, on every Unix; but a child
    that the parent forked without exec holds that end too, and the watcher itself may be killed.
So the pipe is watched (fd 0), the parent's pid is looked at once a second, and the command has PR_SET_PDEATHSIG towards
this keeper, which has one thread only. On Linux the keeper also adopts what the command's own children leave behind
(PR_SET_CHILD_SUBREAPER), even in sessions of their own as PostgreSQL's are, and ends them when the command has ended.
It runs as `python -I -S`, on the standard library alone.

fd 0: orders, one byte each: `s` stop, `k` kill; closed means the parent is gone.
fd 1: the report: `pid N`, later `exit CODE` (negative: the signal that ended it).
fd 2: the log, which the command gets as its output.
Further inherited descriptors stay open here until the command has ended, and are not handed to it: a lock held through
one is free only when nothing runs any more.
"""

import contextlib
import ctypes
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from typing import NoReturn

PARENT_CHECK_SECONDS = 1.0
SWEEP_SECONDS = 2.0
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
CANNOT_RUN = 127
WATCHED = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def main(arguments: list[str]) -> None:
    grace_seconds, stop_signal, user, group, *command = arguments

    def become(keeper: int) -> NoReturn:
        _run(command, int(user), int(group), keeper)

    keep(become, float(grace_seconds), int(stop_signal))


def keep(become: Callable[[int], NoReturn], grace_seconds: float, stop_signal: int) -> None:
    """Until the command has ended. `become` makes a forked child the command; it is told the keeper's pid."""
    parent = os.getppid()
    woken, wake = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    for number in WATCHED:
        signal.signal(number, lambda *_: None)

    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    keeper = os.getpid()
    # Until it is the command, the child has our handlers: an order to stop that came this early would be lost on it.
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    child = os.fork()
    if child == 0:
        become(keeper)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    _report(f"pid {child}")
    status = _watch(child, parent, woken, grace_seconds, stop_signal)
    _sweep(child)
    _report(f"exit {os.waitstatus_to_exitcode(status)}")


def detach() -> None:
    """Give the forked child what a command expects: its own session, the log as its output, signals as they are."""
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    os.closerange(3, 256)
    for number in (*WATCHED, signal.SIGPIPE):  # Python ignores SIGPIPE, and exec would pass that on
        signal.signal(number, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def die_with(keeper: int) -> bool:
    """False when it is dead already."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    return os.getppid() == keeper


def _run(command: list[str], user: int, group: int, keeper: int) -> NoReturn:
    """Turn the forked child into the command; never returns."""
    try:
        detach()
        if user >= 0:
            os.setgroups([])
            os.setgid(group)
            os.setuid(user)
        if die_with(keeper):  # after setuid, which clears it
            os.execvp(command[0], command)  # noqa: S606 -- running a command without a shell is the purpose
    except OSError as error:
        os.write(2, f"cannot run {command[0]}: {error}\n".encode())
    os._exit(CANNOT_RUN)


def _watch(child: int, parent: int, woken: int, grace_seconds: float, stop_signal: int) -> int:
    """Carry out orders until the command has ended; return its wait status."""
    sources = [0, woken]
    kill_at: float | None = None
    while True:
        ended, status = os.waitpid(-1, os.WNOHANG)
        if ended == child:
            return status
        if ended:
            continue  # an adopted one
        patience = PARENT_CHECK_SECONDS if kill_at is None else min(PARENT_CHECK_SECONDS, kill_at - time.monotonic())
        ready, _, _ = select.select(sources, [], [], max(patience, 0.0))
        orders = os.read(0, 64) if 0 in ready else b""
        signals = os.read(woken, 64) if woken in ready else b""
        if b"k" in orders:
            _signal_group(child, signal.SIGKILL)
        if b"s" in orders:
            os.kill(child, stop_signal)
        abandoned = (0 in ready and not orders) or os.getppid() != parent
        if kill_at is None and (abandoned or any(number != signal.SIGCHLD for number in signals)):
            sources = [woken]
            kill_at = time.monotonic() + grace_seconds
            os.kill(child, stop_signal)
        elif kill_at is not None and time.monotonic() >= kill_at:
            _signal_group(child, signal.SIGKILL)
            kill_at += PARENT_CHECK_SECONDS


def _sweep(group: int) -> None:
    """End what the command left behind."""
    _signal_group(group, signal.SIGKILL)
    until = time.monotonic() + SWEEP_SECONDS
    while time.monotonic() < until:
        try:
            ended, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not ended:
            for orphan in _children():
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(orphan, signal.SIGKILL)
            time.sleep(0.002)


def _children() -> list[int]:
    """Ours, the adopted ones too; none where the system does not tell (their end is waited for all the same)."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children") as listed:  # noqa: PTH123 -- importing pathlib takes longer
            return [int(pid) for pid in listed.read().split()]
    except OSError:
        return []


def _signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS says EPERM of a group of zombies
        os.killpg(group, number)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _report(line: str) -> None:
    with contextlib.suppress(BrokenPipeError):
        os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    main(sys.argv[1:])
