"""Keeps the stack's own servers running: one that ended by itself is started again, on the same port and data."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from cli.stack.restarts import Patience
from cli.stack.state import Phase, ServiceState
from devstack.server import Server, ServersUnavailable
from shared.clock import utc_now

__all__ = ["Keeper"]

_LOOK_SECONDS: Final = 0.5


@dataclass(slots=True)
class Keeper:
    """Of one server, which runs already."""

    server: Server
    tell: Callable[[str], None]
    changed: Callable[[], None]
    phase: Phase = Phase.READY
    since: datetime = field(default_factory=utc_now)
    _patience: Patience = field(default_factory=lambda: Patience(was_ready=True))

    @property
    def state(self) -> ServiceState:
        return ServiceState(
            name=self.server.name,
            phase=self.phase,
            since=self.since,
            address=_address(self.server.url),
            pid=self.server.pid,
            log=self.server.log,
            restarts=self._patience.restarts,
        )

    async def run(self) -> None:
        """Until cancelled. A server that somebody else runs is left alone."""
        if self.server.log is None:
            return
        while True:
            if self.server.pid is None:
                await self._start_again()
            await asyncio.sleep(_LOOK_SECONDS)

    def stopping(self) -> None:
        self._enter(Phase.STOPPING)

    async def _start_again(self) -> None:
        lived = (utc_now() - self.since).total_seconds()
        pause = self._patience.ended(lived, random.random())  # noqa: S311 - jitter, not a secret
        self._enter(Phase.RESTARTING)
        self.tell(f"{self.server.name} ended; starting it again in {pause:.1f} s")
        await asyncio.sleep(pause)
        try:
            await self.server.start()
            await self.server.ready()
        except ServersUnavailable as unavailable:
            self.tell(str(unavailable))
            return
        self._enter(Phase.READY)
        self.tell(f"{self.server.name} is ready again")

    def _enter(self, phase: Phase) -> None:
        if phase is not self.phase:
            self.phase, self.since = phase, utc_now()
            self.changed()


def _address(url: str) -> str:
    """`host:port`, without a password that may stand in the URL."""
    if "://" not in url:
        return url
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)
