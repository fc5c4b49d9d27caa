"""Who serves a job when the configuration has changed under a running worker?

Theory. What goes by the configuration (connections, limits, plans) is built as a whole, a generation, and never
altered. A job is served to its end by the generation that began with it. A new configuration is a new generation, which
serves whatever comes from then on; the one before it goes when its last job has ended. So no running job is touched,
and what cannot be built leaves everything as it was.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, Protocol

import structlog

from services.router_worker.consumption.ports import Crowds
from services.router_worker.ports import Place
from shared.contracts import Job, Lane
from shared.load import DeploymentHealth

__all__ = ["CurrentCrowd", "Generation", "Generations", "JobServer"]

log = structlog.get_logger("config")

Run = Coroutine[Any, Any, None]


class JobServer(Protocol):
    async def serve(self, job: Job, place: Place, traceparent: str | None) -> None: ...

    async def give_up(self, job: Job, place: Place, traceparent: str | None) -> None: ...


class Generation:
    """What is built for one configuration; `live` must run as long as it serves."""

    def __init__(
        self,
        number: int,
        server: JobServer,
        crowds: Mapping[Lane, Crowds],
        runs: Callable[[], Iterable[Run]],
        health: Callable[[], dict[str, DeploymentHealth]],
        opened: AsyncExitStack,
    ) -> None:
        """`opened` is closed when nobody needs it any more."""
        self.number = number
        self.server = server
        self.crowds = crowds
        self.health = health
        """Of its deployments, as this worker sees them."""
        self._runs = runs
        self._opened = opened
        self._jobs = 0
        self._retired = False
        self._over = asyncio.Event()

    async def serving(self, serve: Callable[[], Awaitable[None]]) -> None:
        self._jobs += 1
        try:
            await serve()
        finally:
            self._jobs -= 1
            self._look()

    def retire(self) -> None:
        """No job is given to it any more."""
        self._retired = True
        self._look()

    async def live(self) -> None:
        """Until it is retired and idle, or cancelled; a run that fails is raised. Afterwards everything is closed."""
        async with self._opened:
            runs = asyncio.create_task(_together([*self._runs(), _for_ever()]), name=f"generation {self.number}")
            over = asyncio.create_task(self._over.wait())
            try:
                await asyncio.wait({runs, over}, return_when=asyncio.FIRST_COMPLETED)
                if runs.done():
                    runs.result()
            finally:
                runs.cancel()
                over.cancel()
                await asyncio.wait({runs, over})
        log.info("generation_over", number=self.number)

    async def close(self) -> None:
        """For one that may never have lived."""
        await self._opened.aclose()

    def _look(self) -> None:
        if self._retired and not self._jobs:
            self._over.set()


class Generations:
    """Serves as the current one does; `run` must run as long as anybody is served."""

    def __init__(self, first: Generation) -> None:
        self._current = first
        self._fresh: list[Generation] = [first]
        self._arrived = asyncio.Event()
        self._watching: list[tuple[Lane, Callable[[], None]]] = []

    @property
    def current(self) -> Generation:
        return self._current

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._arrived.clear()
                while self._fresh:
                    group.create_task(self._fresh.pop().live())
                await self._arrived.wait()

    async def close(self) -> None:
        await self._current.close()

    def succeed(self, fresh: Generation) -> None:
        """From now on it serves what comes."""
        former, self._current = self._current, fresh
        for lane, stirred in self._watching:
            fresh.crowds[lane].watch(stirred)
            stirred()
        self._fresh.append(fresh)
        self._arrived.set()
        former.retire()

    def health(self) -> dict[str, DeploymentHealth]:
        return self._current.health()

    async def serve(self, job: Job, place: Place, traceparent: str | None) -> None:
        now = self._current
        await now.serving(lambda: now.server.serve(job, place, traceparent))

    async def give_up(self, job: Job, place: Place, traceparent: str | None) -> None:
        now = self._current
        await now.serving(lambda: now.server.give_up(job, place, traceparent))

    def watch(self, lane: Lane, stirred: Callable[[], None]) -> None:
        self._watching.append((lane, stirred))
        self._current.crowds[lane].watch(stirred)


class CurrentCrowd:
    """The port `Crowds`, of whichever generation serves."""

    def __init__(self, generations: Generations, lane: Lane) -> None:
        self._generations = generations
        self._lane = lane

    def held_back(self, on_way: Mapping[str, int]) -> Collection[str]:
        return self._generations.current.crowds[self._lane].held_back(on_way)

    def watch(self, stirred: Callable[[], None]) -> None:
        self._generations.watch(self._lane, stirred)


async def _for_ever() -> None:
    await asyncio.Event().wait()


async def _together(runs: Sequence[Run]) -> None:
    async with asyncio.TaskGroup() as group:
        for run in runs:
            group.create_task(run)
