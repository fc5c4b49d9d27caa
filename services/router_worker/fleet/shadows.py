"""Waits for jobs that another worker runs: one look at all of them, a few times a second."""

import asyncio

import structlog

from services.router_worker.ports import Claims, Liveness, Unreachable
from shared.ids import JobId

__all__ = ["FleetShadows"]

log = structlog.get_logger("fleet")


class FleetShadows:
    """`run` must run as long as anybody waits."""

    def __init__(self, claims: Claims, liveness: Liveness, *, every_seconds: float = 0.5) -> None:
        self._claims = claims
        self._liveness = liveness
        self._every = every_seconds
        self._waiting: dict[JobId, asyncio.Event] = {}
        self._someone = asyncio.Event()

    def __len__(self) -> int:
        """How many jobs are waited for."""
        return len(self._waiting)

    async def wait(self, job: JobId) -> None:
        over = self._waiting.setdefault(job, asyncio.Event())
        self._someone.set()
        await over.wait()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self._someone.wait()
            try:
                await self._look()
            except Unreachable as error:
                log.warning("shadows_wait", reason=str(error), jobs=len(self._waiting))
            if not self._waiting:
                self._someone.clear()
            await asyncio.sleep(self._every)

    async def _look(self) -> None:
        jobs = list(self._waiting)
        alive: dict[str, bool] = {}
        for job, look in zip(jobs, await self._claims.look(jobs), strict=True):
            if look.owner is not None and not look.published:
                if look.owner not in alive:
                    alive[look.owner] = await self._liveness.lives(look.owner)
                if alive[look.owner]:
                    continue
            self._waiting.pop(job).set()
