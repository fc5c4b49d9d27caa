"""Is everything that Kafka has of jobs and calls recorded? Asked before anything is concluded from what is not."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from services.accounting.ports import Place, Reach

__all__ = ["Arrivals"]

_PATIENCE_SECONDS: Final = 1.0
_PAUSE_SECONDS: Final = 0.05


class Arrivals:
    def __init__(
        self,
        reach: Callable[[], Awaitable[Mapping[Place, Reach]]],
        recorded: Callable[[], Awaitable[Mapping[Place, int]]],
        *,
        patience_seconds: float = _PATIENCE_SECONDS,
    ) -> None:
        """`reach` is of every partition, whoever has it; `recorded` says up to where each is in the database."""
        self._reach = reach
        self._recorded = recorded
        self._patience_seconds = patience_seconds

    async def complete(self) -> bool:
        """Whether what Kafka had when this was called is recorded, or is a moment later: while anything comes, the last
        of it never is yet. Raises AwayError."""
        reach = await self._reach()
        until = time.monotonic() + self._patience_seconds
        while True:
            recorded = await self._recorded()
            if all(max(recorded.get(place, 0), found.first) >= found.next for place, found in reach.items()):
                return True
            if time.monotonic() >= until:
                return False
            await asyncio.sleep(_PAUSE_SECONDS)
