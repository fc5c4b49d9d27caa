"""Removes what is past its time, a bounded share at a time. One process kind runs it; several at once do no harm."""

import asyncio
import random
from typing import Final

import structlog

from shared.blobs.keys import may_go
from shared.blobs.store import Blobs, BlobsAwayError
from shared.clock import Clock

__all__ = ["Sweeper"]

log = structlog.get_logger("blobs")

_ROUND: Final = 10_000
"""How many blobs are removed in a round, about; the rest is left to the next."""


class Sweeper:
    def __init__(self, blobs: Blobs, clock: Clock, *, every_seconds: float = 600, most: int = _ROUND) -> None:
        self._blobs = blobs
        self._clock = clock
        self._every = every_seconds
        self._most = most

    async def run(self) -> None:
        """Until cancelled. A store that is away is tried again with the next round."""
        while True:
            # Not all replicas at the same moment, and none at its start.
            await asyncio.sleep(self._every * random.uniform(0.5, 1.5))  # noqa: S311 - spreads work, guards nothing
            try:
                await self.sweep()
            except BlobsAwayError as error:
                log.warning("sweep_failed", reason=str(error))

    async def sweep(self) -> int:
        """One round; how many blobs it removed. Raises BlobsAwayError."""
        removed = 0
        for folder in await self._blobs.folders():
            if removed < self._most and may_go(folder, self._clock()):
                removed += await self._blobs.clear(folder, self._most - removed)
        if removed:
            log.info("blobs_removed", count=removed)
        return removed
