"""`sluice` as its users have it: a process of its own, with nothing of this one's environment that it looks at."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.variables import VARIABLES

__all__ = ["Ran", "Sluice"]

_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(frozen=True, slots=True)
class Sluice:
    """In a folder, with these variables set."""

    folder: Path
    variables: Mapping[str, str]

    async def __call__(self, *arguments: str, stdin: bytes | None = None, **variables: str) -> Ran:
        process = await self.start(*arguments, **variables)
        async with asyncio.timeout(_SECONDS):
            out, err = await process.communicate(stdin)
        return Ran(process.returncode or 0, out.decode(), err.decode())

    async def interrupted(self, *arguments: str, when: Callable[[], bool]) -> Ran:
        """Ctrl-C as soon as `when` says so."""
        process = await self.start(*arguments)
        async with asyncio.timeout(_SECONDS):
            while not when() and process.returncode is None:
                await asyncio.sleep(0.005)
            if process.returncode is None:
                process.send_signal(signal.SIGINT)
            out, err = await process.communicate()
        return Ran(process.returncode or 0, out.decode(), err.decode())

    async def start(self, *arguments: str, **variables: str) -> asyncio.subprocess.Process:
        foreign = {*VARIABLES, "SLUICE_NAMESPACE", "SLUICE_TOPIC_PREFIX", "SLUICE_LOG_LEVEL"}
        plain = {name: value for name, value in os.environ.items() if name not in foreign}
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *("-P", "-m", "cli", *arguments),
            cwd=self.folder,
            env={**plain, "XDG_STATE_HOME": str(self.folder / "state"), **self.variables, **variables},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            # Whoever is started in the background of a script ignores Ctrl-C, and so would all that it starts.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
