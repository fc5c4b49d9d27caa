"""Of which jobs was something written lately? Of tenants that have hard budgets, and of no more than is sensible."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from typing import Final

__all__ = ["Noted"]

_MOST: Final = 20_000
"""Of a tenant. More are found when the books are compared with the ledger."""


class Noted:
    def __init__(self) -> None:
        self._tenants: Collection[str] = frozenset()
        self._jobs: dict[str, set[str]] = {}
        self._anything = asyncio.Event()

    def only_of(self, tenants: Collection[str]) -> None:
        self._tenants = frozenset(tenants)

    def note(self, jobs: Iterable[tuple[str, str]]) -> None:
        """Tenants and jobs. Never blocks."""
        if not self._tenants:
            return
        for tenant, job in jobs:
            if tenant in self._tenants:
                waiting = self._jobs.setdefault(tenant, set())
                if len(waiting) < _MOST:
                    waiting.add(job)
        if self._jobs:
            self._anything.set()

    def take(self) -> Mapping[str, Collection[str]]:
        """Jobs by tenant; they are noted no longer."""
        taken, self._jobs = self._jobs, {}
        self._anything.clear()
        return taken

    async def wait(self, seconds: float) -> None:
        """Until there is anything, but no longer than that."""
        try:
            async with asyncio.timeout(seconds):
                await self._anything.wait()
        except TimeoutError:
            return
