"""One of our services as a process: killed, stopped, asked to end and started again; each start is a new life."""

import asyncio
import hashlib
import os
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Never

import aiohttp

from chaos.bench.setting import LIFE_VARIABLE
from chaos.facts import Life
from chaos.schedule import Role
from devstack.leash import Leashed, leashed

__all__ = ["Process", "fingerprint"]

_READY_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.1
_RESTART_SECONDS: Final = 0.5
_GRACE_SECONDS: Final = 50.0
"""Longer than any of them may take by its own settings; who takes longer is killed, and found out."""


@dataclass(slots=True)
class Process:
    """A place in the cast, such as `worker-2`: at most one process at a time."""

    name: str
    role: Role
    command: Sequence[str]
    environment: Mapping[str, str]
    port: int
    """Where it tells whether it is ready."""
    log: Path
    lives: list[Life] = field(default_factory=list)
    _leashed: Leashed | None = None
    _wanted: bool = False
    """Whether it shall run: one that ends by itself is started again."""
    _stopped: bool = False
    """By SIGSTOP."""
    _born: asyncio.Event = field(default_factory=asyncio.Event)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """To start it."""

    @property
    def is_up(self) -> bool:
        return self._leashed is not None and self._leashed.returncode is None

    @property
    def life(self) -> Life:
        return self.lives[-1]

    @life.setter
    def life(self, life: Life) -> None:
        self.lives[-1] = life

    async def start(self) -> None:
        """As an operator's tool does it: one that runs already stays the only one."""
        self._wanted = True
        async with self._turn:
            if not self.is_up:
                await self._start()

    async def _start(self) -> None:
        name = f"{self.name}#{len(self.lives) + 1}"
        self.lives.append(Life(name, self.name, self.role, time.time()))
        self._leashed = await leashed(self.command, env={**self.environment, LIFE_VARIABLE: name}, log=self.log)
        self._born.set()

    async def ready(self, client: aiohttp.ClientSession) -> bool:
        """Wait until it says so; False when this life ended, or the time is up."""
        lives = len(self.lives)
        with suppress(TimeoutError):
            async with asyncio.timeout(_READY_SECONDS):
                while self.is_up and len(self.lives) == lives:
                    if await self._says_ready(client):
                        if self.life.ready_at is None:
                            self.life = replace(self.life, ready_at=time.time())
                        return True
                    await asyncio.sleep(_LOOK_SECONDS)
        return False

    async def kill(self) -> None:
        """SIGKILL, and gone."""
        self._wanted = False
        if self._leashed is None or not self.is_up:
            return
        # It is dead as of now, however late this process gets to see it.
        self.life = replace(self.life, killed=True, ended_at=time.time(), exit_code=-signal.SIGKILL)
        self._leashed.kill()
        await self._over(self._leashed)

    async def stop(self) -> None:
        """SIGTERM, and gone; by force when it does not end. Who is ending already is not told again, but waited for."""
        self._wanted = False
        if self._leashed is None or not self.is_up:
            return
        if self.life.asked_to_end_at is None:
            self.thaw()
            self.life = replace(self.life, asked_to_end_at=time.time())
            await self._leashed.stop(_GRACE_SECONDS)
        await self._over(self._leashed)

    def freeze(self) -> None:
        if self._leashed is not None and self.is_up:
            self._stopped = True
            os.kill(self._leashed.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        if self._stopped and self._leashed is not None and self.is_up:
            os.kill(self._leashed.pid, signal.SIGCONT)
        self._stopped = False

    async def keep(self) -> Never:
        """Start it again whenever it ends unasked, as whoever operates it would."""
        while True:
            await self._born.wait()
            self._born.clear()
            if self._leashed is None:
                continue
            await self._over(self._leashed)
            if self._wanted:
                await asyncio.sleep(_RESTART_SECONDS)
            if self._wanted:
                await self.start()

    async def _says_ready(self, client: aiohttp.ClientSession) -> bool:
        try:
            async with client.get(f"http://127.0.0.1:{self.port}/readyz") as answer:
                return answer.status == 200
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False

    async def _over(self, ended: Leashed) -> None:
        """Wait for its end and write it down."""
        life = len(self.lives) - 1
        code = await ended.wait()
        if self.lives[life].ended_at is None:
            self.lives[life] = replace(self.lives[life], ended_at=time.time(), exit_code=code)


def fingerprint(life: str) -> str:
    """By which the provider remembers the key of a life."""
    return hashlib.sha256(life.encode()).hexdigest()[:12]
