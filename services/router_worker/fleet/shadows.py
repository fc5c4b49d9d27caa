"""Waits for jobs that another worker runs: one look at all of them, a few times a second.

An owner that has ended a job publishes its end and then says so in the claim. Redis may be away just then, or forget
it: the owner lives and believes that all is said. Its shadow does not wait for that longer than publishing takes.

An owner may be missing because Redis has forgotten it. Its shadow waits until it must have been heard again. And Redis
may tell of an owner that is this very worker, and whose run is over: nobody else would ever take the job.
"""

import asyncio
import time
from collections.abc import Container
from dataclasses import dataclass, field
from typing import Final

import structlog

from services.router_worker.ports import Claims, Liveness, Look, Unreachable
from shared.ids import JobId

__all__ = ["FleetShadows"]

log = structlog.get_logger("fleet")

_PUBLISHES_WITHIN_SECONDS: Final = 10.0


@dataclass(slots=True, eq=False)
class _Waiting:
    unheard_until: float
    """Before, an owner that is missing may be heard yet."""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    ended_at: float | None = None
    """When it was first seen that the job had ended, and was not published."""
    overdue: bool = False


class FleetShadows:
    """`run` must run as long as anybody waits."""

    def __init__(
        self,
        claims: Claims,
        liveness: Liveness,
        worker: str,
        running: Container[JobId],
        *,
        every_seconds: float = 0.5,
        publishes_within_seconds: float = _PUBLISHES_WITHIN_SECONDS,
    ) -> None:
        self._claims = claims
        self._liveness = liveness
        self._worker = worker
        self._running = running
        self._every = every_seconds
        self._publishes_within = publishes_within_seconds
        self._waiting: dict[JobId, _Waiting] = {}
        self._someone = asyncio.Event()

    def __len__(self) -> int:
        """How many jobs are waited for."""
        return len(self._waiting)

    async def wait(self, job: JobId, unheard_seconds: float = 0.0) -> bool:
        waiting = self._waiting.setdefault(job, _Waiting(time.monotonic() + unheard_seconds))
        self._someone.set()
        await waiting.over.wait()
        return waiting.overdue

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
            if look.owner is None and time.monotonic() < self._waiting[job].unheard_until:
                continue
            if look.owner is not None and not look.published:
                if look.owner not in alive:
                    alive[look.owner] = await self._liveness.lives(look.owner)
                if alive[look.owner] and not self._is_over_here(job, look) and not self._is_overdue(job, look):
                    continue
            self._waiting.pop(job).over.set()

    def _is_over_here(self, job: JobId, look: Look) -> bool:
        return look.owner == self._worker and not look.ended and job not in self._running

    def _is_overdue(self, job: JobId, look: Look) -> bool:
        waiting, now = self._waiting[job], time.monotonic()
        if not look.ended:
            waiting.ended_at = None
            return False
        waiting.ended_at = waiting.ended_at or now
        waiting.overdue = now - waiting.ended_at >= self._publishes_within
        return waiting.overdue
