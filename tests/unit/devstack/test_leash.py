"""A command on a leash ends with us, whatever ends us."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from devstack.leash import leashed

LINUX = sys.platform == "linux"
DEADLINE_SECONDS = 30.0
ENV = {"PATH": os.environ["PATH"]}
SLEEPER = ["sleep", "1000"]
STUBBORN = ["sh", "-c", "trap '' TERM INT; echo deaf; while :; do sleep 0.05; done"]

# A parent as a user would write one: it leashes the command given, says its pid, and then does what it is told to.
PARENT = """
import asyncio, os, sys, threading, time
from pathlib import Path
from devstack.leash import leashed

async def main(then, log, *command):
    process = await leashed(command, env=dict(os.environ), log=Path(log), orphan_grace_seconds=0.3)
    if then == "fork" and os.fork() == 0:
        time.sleep(1000)  # keeps every descriptor of ours open
    print(process.pid, flush=True)
    if then in ("wait", "fork"):
        await asyncio.sleep(1000)
    if then == "raise":
        raise RuntimeError("a bug")

if sys.argv[1] == "thread":
    thread = threading.Thread(target=lambda: asyncio.run(main(*sys.argv[1:])))
    thread.start()
    thread.join()
    time.sleep(1000)
asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "command.log"


def runs(pid: int) -> bool:
    """Whether the process exists and is more than an unreaped corpse."""
    state = subprocess.run(["ps", "-o", "state=", "-p", str(pid)], capture_output=True, text=True, check=False)  # noqa: S607
    return bool(state.stdout.strip()) and not state.stdout.startswith("Z")


def running_commands() -> list[str]:
    return subprocess.run(["ps", "-A", "-o", "args="], capture_output=True, text=True, check=True).stdout.splitlines()  # noqa: S607


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not condition():
            await asyncio.sleep(0.02)


class Parent:
    """A process of its own that leashes a command."""

    def __init__(self, then: str, log: Path, command: list[str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PARENT, then, log, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        with self.process.stdout:
            self.leashed = int(self.process.stdout.readline())

    def end(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


async def test_a_command_runs_and_tells_how_it_ended(log: Path) -> None:
    process = await leashed(["sh", "-c", "echo said; echo aloud >&2; exit 3"], env=ENV, log=log)
    assert await process.wait() == 3
    assert process.returncode == 3
    assert log.read_text() == "said\naloud\n"


async def test_the_pid_is_the_commands_own(log: Path) -> None:
    process = await leashed(["sh", "-c", "echo $$"], env=ENV, log=log)
    await process.wait()
    assert int(log.read_text()) == process.pid


async def test_a_stopped_command_is_asked_with_its_own_signal(log: Path) -> None:
    command = ["sh", "-c", "trap 'echo bye; exit 5' INT; echo here; while :; do sleep 0.02; done"]
    process = await leashed(command, env=ENV, log=log, stop_signal=signal.SIGINT)
    await until(lambda: "here" in log.read_text())
    assert await process.stop() == 5
    assert log.read_text() == "here\nbye\n"


async def test_a_command_deaf_to_signals_is_killed_after_its_grace(log: Path) -> None:
    process = await leashed(STUBBORN, env=ENV, log=log)
    await until(lambda: "deaf" in log.read_text())
    assert await process.stop(grace_seconds=0.1) == -signal.SIGKILL


async def test_stopping_twice_is_harmless(log: Path) -> None:
    process = await leashed(SLEEPER, env=ENV, log=log)
    assert await process.stop() == -signal.SIGTERM
    assert await process.stop() == -signal.SIGTERM


@pytest.mark.parametrize(
    "child",
    [
        "sleep 1000",
        pytest.param("setsid sleep 1000", marks=pytest.mark.skipif(not LINUX, reason="only Linux lets us adopt them")),
    ],
)
async def test_a_killed_command_takes_its_children_along(log: Path, child: str) -> None:
    process = await leashed(["sh", "-c", f"{child} & echo $!; wait"], env=ENV, log=log)
    await until(lambda: log.read_text().endswith("\n"))
    process.kill()
    assert await process.wait() == -signal.SIGKILL
    assert not runs(int(log.read_text()))


async def test_a_start_that_is_cancelled_leaves_nothing_running(log: Path, tmp_path: Path) -> None:
    command = ["sh", "-c", "while :; do sleep 0.02; done", tmp_path]
    starting = asyncio.create_task(leashed(command, env=ENV, log=log))
    await asyncio.sleep(0)  # the keeper is started; its report is waited for
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    await until(lambda: not any(str(tmp_path) in line for line in running_commands()))


async def test_a_command_that_does_not_exist_says_so_in_its_log(log: Path) -> None:
    process = await leashed(["no-such-command-anywhere"], env=ENV, log=log)
    assert await process.wait() == 127
    assert "cannot run no-such-command-anywhere" in log.read_text()


async def test_a_command_gets_only_the_environment_it_is_given(log: Path) -> None:
    process = await leashed(["env"], env={**ENV, "FLAVOUR": "plain"}, log=log)
    await process.wait()
    assert "FLAVOUR=plain" in log.read_text().splitlines()
    assert "HOME" not in log.read_text()


async def test_a_descriptor_is_held_until_the_command_has_ended_but_not_by_the_command(log: Path) -> None:
    held, other_end = os.pipe()
    try:
        process = await leashed(["sh", "-c", "ls /dev/fd; exec sleep 1000"], env=ENV, log=log, held=(other_end,))
    finally:
        os.close(other_end)
    os.set_blocking(held, False)
    with pytest.raises(BlockingIOError):
        os.read(held, 1)
    await until(lambda: bool(log.read_text()))
    assert str(other_end) not in log.read_text().split()
    await process.stop()
    assert os.read(held, 1) == b""
    os.close(held)


@pytest.mark.parametrize("command", [SLEEPER, STUBBORN], ids=["obedient", "deaf"])
async def test_a_command_ends_when_its_parent_is_killed(log: Path, command: list[str]) -> None:
    parent = Parent("wait", log, command)
    assert runs(parent.leashed)
    os.kill(parent.process.pid, signal.SIGKILL)
    parent.process.wait()
    await until(lambda: not runs(parent.leashed))


async def test_a_command_ends_when_its_parent_ends_with_a_bug(log: Path) -> None:
    parent = Parent("raise", log, SLEEPER)
    parent.process.wait()
    await until(lambda: not runs(parent.leashed))


async def test_a_forked_copy_of_the_parent_does_not_keep_the_command_alive(log: Path) -> None:
    parent = Parent("fork", log, SLEEPER)
    os.kill(parent.process.pid, signal.SIGKILL)
    parent.process.wait()
    await until(lambda: not runs(parent.leashed))
    os.killpg(parent.process.pid, signal.SIGKILL)


async def test_a_command_outlives_the_thread_that_started_it(log: Path) -> None:
    parent = Parent("thread", log, ["sh", "-c", "while :; do echo alive; sleep 0.02; done"])
    written = log.stat().st_size
    await until(lambda: log.stat().st_size > written + 50)
    assert runs(parent.leashed)
    parent.end()
    await until(lambda: not runs(parent.leashed))


@pytest.mark.skipif(not LINUX, reason="only Linux tells a process of its keeper's death")
async def test_a_command_ends_when_its_keeper_is_killed(log: Path) -> None:
    process = await leashed(SLEEPER, env=ENV, log=log)
    status = Path(f"/proc/{process.pid}/stat").read_text()
    os.kill(int(status.rpartition(")")[2].split()[1]), signal.SIGKILL)
    assert await process.wait() == -signal.SIGKILL
    await until(lambda: not runs(process.pid))
