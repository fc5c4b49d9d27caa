"""What a server is to the stack: something with a URL that can be started, asked, stopped and killed."""

import asyncio
import importlib.util
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from devstack.leash import Leashed, User, leashed

POLL_SECONDS = 0.02

Probe = Callable[[str], Awaitable[None]]
"""Puts one real request to the server behind a URL; raises `NotAnswering` with the reason when that fails."""


Tell = Callable[[str], None]
"""Takes a sentence that a person should read: what makes them wait, or what is not where they would look for it."""


class ServersUnavailable(Exception):  # noqa: N818 -- a state of the world, not a slip in the code
    """A server cannot be had; the text is one sentence that a person can act on."""


class NotAnswering(Exception):  # noqa: N818 -- expected while a server starts
    """The server does not answer yet (or no longer); the text says why."""


class Server(Protocol):
    """One of the three servers, whoever runs it."""

    @property
    def name(self) -> str: ...

    @property
    def url(self) -> str: ...

    @property
    def log(self) -> Path | None:
        """Where it writes; None for a server that is not ours."""

    @property
    def pid(self) -> int | None:
        """None while it does not run, or is not ours."""

    async def start(self) -> None:
        """Launch it, on the same port and data as before. May raise ServersUnavailable. It may not answer yet."""

    async def ready(self, within_seconds: float = 30.0) -> None:
        """Wait until it answers a real request. Raises ServersUnavailable when it ends or the time is up."""

    async def stop(self) -> None:
        """End it in good order, by force after its grace. Never raises; afterwards it does not run."""

    async def kill(self) -> None:
        """End it as a power cut would. Afterwards it does not run; its data is what the disk has."""


@dataclass(slots=True)
class ServerProcess:
    """The process of a server of ours: at most one at a time, started as often as one likes."""

    name: str
    log: Path
    stop_signal: signal.Signals = signal.SIGTERM
    grace_seconds: float = 10.0
    held: tuple[int, ...] = ()
    _leashed: Leashed | None = field(default=None, init=False)
    _heard: int = field(default=0, init=False)

    @property
    def pid(self) -> int | None:
        return self._leashed.pid if self._leashed and self._leashed.returncode is None else None

    async def start(self, command: Sequence[str | Path], *, cwd: Path, user: User | None = None) -> None:
        if self.pid is not None:
            raise ServersUnavailable(f"{self.name} is running already (pid {self.pid}).")
        self._heard = self.log.stat().st_size if self.log.exists() else 0
        self._leashed = await leashed(
            command,
            env=plain_environment(),
            log=self.log,
            cwd=cwd,
            user=user,
            stop_signal=self.stop_signal,
            orphan_grace_seconds=self.grace_seconds,
            held=self.held,
        )

    async def run(
        self, command: Sequence[str | Path], *, cwd: Path, within_seconds: float, user: User | None = None
    ) -> None:
        """Run a preparing command to its end; raises ServersUnavailable when it fails or takes too long."""
        await self.start(command, cwd=cwd, user=user)
        preparing = self._leashed
        if preparing is None:
            return
        try:
            async with asyncio.timeout(within_seconds):
                code = await preparing.wait()
        except TimeoutError:
            code = await preparing.stop(0.0)
        if code != 0:
            raise ServersUnavailable(f"{self.name} could not be prepared: {self._last_words()}")

    async def answering(self, url: str, probe: Probe, within_seconds: float) -> None:
        """Ask until it answers, ends, or the time is up; the latter two raise ServersUnavailable."""
        reason = await until_answered(url, probe, within_seconds, going=lambda: self.pid is not None)
        if self.pid is None:
            raise ServersUnavailable(f"{self.name} ended while starting: {self._last_words()}")
        if reason:
            raise ServersUnavailable(
                f"{self.name} did not answer within {within_seconds:g} s ({reason}); its log is {self.log}."
            )

    async def stop(self) -> None:
        if self._leashed is not None:
            await self._leashed.stop(self.grace_seconds)

    async def kill(self) -> None:
        if self._leashed is not None:
            self._leashed.kill()
            await self._leashed.wait()

    def _last_words(self) -> str:
        """What it said since this start: its last complaint, else its last line."""
        said = self.log.read_bytes()[self._heard :].decode(errors="replace").splitlines() if self.log.exists() else []
        lines = [line for line in said if line and not line[0].isspace()]
        complaints = [line for line in lines if any(word in line for word in ("FATAL", "ERROR", "Exception", "cannot"))]
        return f"{(complaints or lines or ['it said nothing'])[-1]} (see {self.log})."


class External:
    """A server somebody else runs, known by its URL: never started, stopped or killed by us."""

    log: Path | None = None
    pid: int | None = None

    def __init__(self, name: str, url: str, probe: Probe, variable: str) -> None:
        self.name = name
        self.url = url
        self._probe = probe
        self._variable = variable

    async def start(self) -> None:
        return None

    async def ready(self, within_seconds: float = 30.0) -> None:
        if reason := await until_answered(self.url, self._probe, within_seconds):
            raise ServersUnavailable(
                f"The {self.name} that {self._variable} names does not answer within {within_seconds:g} s: {reason}."
            )

    async def stop(self) -> None:
        return None

    async def kill(self) -> None:
        raise ServersUnavailable(f"The {self.name} that {self._variable} names is not ours to kill.")


async def until_answered(
    url: str, probe: Probe, within_seconds: float, *, going: Callable[[], bool] = lambda: True
) -> str | None:
    """Ask again and again; None once there was an answer, the last refusal when the time is up or it goes no more."""
    reason = "it was not asked"
    try:
        async with asyncio.timeout(within_seconds):
            while going():
                try:
                    await probe(url)
                except NotAnswering as refusal:
                    reason = str(refusal)
                else:
                    return None
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        pass
    return reason


def plain_environment() -> dict[str, str]:
    """What a server gets of our environment: nothing that could change how it runs."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def wheel(package: str) -> Path | None:
    """Where an installed package lies. It is not imported: these do things when imported (one creates folders)."""
    found = importlib.util.find_spec(package)
    return Path(found.origin).parent if found and found.origin else None
