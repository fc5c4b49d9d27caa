"""Keeps one service running: starts it, asks whether it is ready, starts it again when it ends by itself."""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

import httpx

from cli.exit_codes import ExitCode
from cli.log_lines import as_sentence
from cli.stack.probing import NOT_ANSWERING, ask
from cli.stack.restarts import Patience
from cli.stack.service import Service
from cli.stack.state import Phase, ServiceState
from devstack.leash import Leashed, leashed
from shared.clock import utc_now
from shared.errors import OperatorError
from shared.lifecycle import sleep_unless

__all__ = ["Runner", "last_words"]

_EAGER_SECONDS: Final = 0.1
_CALM_SECONDS: Final = 2.0
_TAIL_BYTES: Final = 8192


@dataclass(slots=True)
class Runner:
    service: Service
    log: Path
    lock: int
    """A descriptor that stays open until the last process of the service has ended."""
    prober: httpx.AsyncClient
    tell: Callable[[str], None]
    changed: Callable[[], None]
    """Called after every change of phase."""
    phase: Phase = Phase.STARTING
    since: datetime = field(default_factory=utc_now)
    trouble: str | None = NOT_ANSWERING
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once it has been ready for the first time."""
    _patience: Patience = field(default_factory=Patience)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _leashed: Leashed | None = None

    @property
    def state(self) -> ServiceState:
        alive = self._leashed is not None and self._leashed.returncode is None
        return ServiceState(
            name=self.service.name,
            phase=self.phase,
            since=self.since,
            address=self.service.address,
            probe=self.service.probe,
            pid=self._leashed.pid if alive and self._leashed else None,
            log=self.log,
            restarts=self._patience.restarts,
            trouble=self.trouble,
        )

    async def run(self) -> None:
        """Until `stop`. Raises OperatorError when it cannot be brought up, and then it does not run."""
        while not self._stopping.is_set():
            began = time.monotonic()
            code = await self._live()
            if self._stopping.is_set():
                return
            pause = self._patience.ended(time.monotonic() - began, random.random())  # noqa: S311 - jitter
            self._give_up_if_hopeless(code)
            self._enter(Phase.RESTARTING, f"ended with code {code}")
            self.tell(f"{self.service.name} ended ({_told(code)}); starting it again in {pause:.1f} s")
            await sleep_unless(self._stopping, pause)

    async def stop(self) -> None:
        """Ask it to end, by force after its grace. Afterwards it does not run and is not started again."""
        self._stopping.set()
        if self._leashed is not None and self._leashed.returncode is None:
            self._enter(Phase.STOPPING)
            await self._leashed.stop(self.service.grace_seconds)
        self._enter(Phase.STOPPED)

    def kill(self) -> None:
        """End it by force; it is not started again. Returns at once, and `stop` tells when it is over."""
        self._stopping.set()
        if self._leashed is not None:
            self._leashed.kill()

    async def _live(self) -> int:
        """One life of the process; its exit code."""
        self._leashed = process = await leashed(
            self.service.command,
            env=self.service.environment,
            log=self.log,
            orphan_grace_seconds=self.service.grace_seconds,
            held=(self.lock,),
        )
        self._enter(Phase.STARTING, NOT_ANSWERING)
        asking = asyncio.create_task(self._watch(), name=f"watch {self.service.name}")
        try:
            return await process.wait()
        finally:
            asking.cancel()
            await asyncio.wait({asking})

    async def _watch(self) -> None:
        while True:
            trouble = await ask(self.prober, self.service.probe)
            if self._stopping.is_set():
                return
            if trouble is None:
                self._patience.was_ready = True
                self.ready.set()
                self._enter(Phase.READY)
            else:
                self._enter(Phase.UNREADY if self.phase in (Phase.READY, Phase.UNREADY) else self.phase, trouble)
            await asyncio.sleep(_CALM_SECONDS if self.ready.is_set() else _EAGER_SECONDS)

    def _enter(self, phase: Phase, trouble: str | None = None) -> None:
        if (phase, trouble) == (self.phase, self.trouble):
            return
        came_back = self.phase is Phase.UNREADY or (self._patience.restarts and self.phase is not Phase.READY)
        if phase is Phase.READY and came_back:
            self.tell(f"{self.service.name} is ready again")
        if phase is Phase.UNREADY and self.phase is not Phase.UNREADY:
            self.tell(f"{self.service.name} is not ready: {trouble}")
        if phase is not self.phase:
            self.since = utc_now()
        self.phase, self.trouble = phase, trouble
        self.changed()

    def _give_up_if_hopeless(self, code: int) -> None:
        wrong_setup = code == ExitCode.SETUP and not self._patience.was_ready
        if wrong_setup or self._patience.is_hopeless:
            self._enter(Phase.STOPPED, f"ended with code {code}")
            words = last_words(self.log)
            raise OperatorError(f"{self.service.name} does not start: {words} (its log is {self.log})")


def last_words(log: Path) -> str:
    """The last line of a log: what a process that ended with an error had to say."""
    try:
        with log.open("rb") as file:
            file.seek(max(log.stat().st_size - _TAIL_BYTES, 0))
            lines = file.read().decode(errors="replace").strip().splitlines()
    except FileNotFoundError:
        lines = []
    return as_sentence(lines[-1].strip()).removeprefix("sluice: ") if lines else "it said nothing"


def _told(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"code {code}"
