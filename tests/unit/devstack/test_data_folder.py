"""One folder, one stack: also while the servers of one that died are still on their way out."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from devstack.data_folder import exclusive
from devstack.server import ServersUnavailable

# An owner whose command takes a moment to end, as a server does, and says when it has.
OWNER = """
import asyncio, os, sys
from pathlib import Path
from devstack.data_folder import exclusive
from devstack.leash import leashed

async def main(folder):
    slow = "trap 'sleep 0.3; echo ended; exit' TERM; echo started; while :; do sleep 0.02; done"
    async with exclusive(folder) as lock:
        await leashed(["sh", "-c", slow], env=dict(os.environ), log=folder / "log", held=(lock,))
        while not (folder / "log").read_text():
            await asyncio.sleep(0.02)
        print("owned", flush=True)
        await asyncio.sleep(1000)

asyncio.run(main(Path(sys.argv[1])))
"""


async def test_a_second_stack_is_refused_with_the_pid_of_the_first(tmp_path: Path) -> None:
    async with exclusive(tmp_path):
        with pytest.raises(ServersUnavailable, match=rf"A stack runs on {tmp_path} already \(pid {os.getpid()}\)\."):
            async with exclusive(tmp_path):
                pytest.fail("two stacks on one folder")


async def test_a_folder_is_free_again_after_its_stack(tmp_path: Path) -> None:
    async with exclusive(tmp_path):
        pass
    async with exclusive(tmp_path):
        pass


async def test_the_servers_of_a_killed_stack_are_waited_for(tmp_path: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, tmp_path], stdout=subprocess.PIPE)  # noqa: ASYNC220
    assert owner.stdout is not None
    with owner.stdout:
        assert await asyncio.to_thread(owner.stdout.readline) == b"owned\n"
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    async with exclusive(tmp_path):
        assert (tmp_path / "log").read_text() == "started\nended\n"


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(ServersUnavailable, match=rf"The servers' data cannot be kept in {tmp_path}/file/stack: "):
        async with exclusive(tmp_path / "file" / "stack"):
            pytest.fail("kept data below a file")
