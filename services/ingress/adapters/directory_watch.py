"""Does a key still mean what it meant, and do the same budgets hold? The directory is asked twice a second, and when
somebody says so.

What an administrator changes at one replica is told to all by Redis; should that be away, each finds it by itself.
"""

import asyncio
from contextlib import suppress
from typing import Final

from redis.asyncio import Redis

from services.ingress.adapters.redis_log import as_unavailable
from services.ingress.budget_rules import BudgetRules
from services.ingress.directory_ports import BudgetDirectory, KeyDirectory
from services.ingress.keyring import Keyring
from services.ingress.ports import UnavailableError
from shared.clock import Clock
from shared.job_log import Keyspace

__all__ = ["DirectoryBell", "DirectoryWatch"]

_LOOK_SECONDS: Final = 0.5


class DirectoryBell:
    """Rung by whoever has changed something."""

    def __init__(self, redis: Redis, keyspace: Keyspace) -> None:
        self._redis = redis
        self._channel = keyspace.directory_channel

    async def ring(self) -> None:
        """Never raises: who does not hear it looks a little later."""
        with suppress(UnavailableError), as_unavailable():
            await self._redis.spublish(self._channel, "changed")


class DirectoryWatch:
    def __init__(
        self, directory: KeyDirectory, keyring: Keyring, budgets: BudgetDirectory, rules: BudgetRules, clock: Clock
    ) -> None:
        self._directory = directory
        self._keyring = keyring
        self._budgets = budgets
        self._rules = rules
        self._clock = clock
        self._version: int | None = None
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Somebody has changed something, or may have while nobody was heard."""
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled. While the database is away the keyring holds as long as it may, and budgets as they were."""
        while True:
            self._woken.clear()
            with suppress(UnavailableError):
                await self.look()
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._woken.wait()

    async def look(self) -> None:
        """Afterwards keyring and rules know what has changed. Raises UnavailableError."""
        # What is true when the question goes out is the least that the answer says.
        now = self._clock()
        found = await self._directory.changes(self._version)
        if self._version is None or found.version < self._version:
            self._keyring.told_anew(now)
            self._rules.take_all(await self._budgets.hard(None))
        else:
            self._keyring.told(found.changes, now)
            if found.budgets:
                self._rules.take(found.budgets, await self._budgets.hard(found.budgets))
        self._version = found.version
