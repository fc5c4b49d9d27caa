"""A new configuration serves what comes; what runs ends as it began."""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping
from contextlib import AsyncExitStack
from typing import Any, cast

import pytest

from services.router_worker.generations import CurrentCrowd, Generation, Generations
from services.router_worker.ports import Place
from shared.contracts import Job, Lane

JOB = cast("Job", None)
PLACE = cast("Place", None)


class Server:
    """Holds each job until it is let go."""

    def __init__(self) -> None:
        self.serving = 0
        self.gates: list[asyncio.Event] = []

    async def serve(self, _job: Job, _place: Place, _traceparent: str | None) -> None:
        gate = asyncio.Event()
        self.gates.append(gate)
        self.serving += 1
        await gate.wait()
        self.serving -= 1

    give_up = serve


class Crowd:
    def __init__(self, model: str) -> None:
        self._model = model
        self.stirred: list[Callable[[], None]] = []

    def held_back(self, _on_way: Mapping[str, int]) -> Collection[str]:
        return [self._model]

    def watch(self, stirred: Callable[[], None]) -> None:
        self.stirred.append(stirred)


class Made:
    def __init__(self, number: int, *, fails: bool = False) -> None:
        self.server = Server()
        self.crowd = Crowd(f"model-{number}")
        self.closed = False
        self.fail = asyncio.Event()
        opened = AsyncExitStack()
        opened.callback(self._close)
        self._fails = fails
        self.generation = Generation(number, self.server, dict.fromkeys(Lane, self.crowd), self._runs, dict, opened)

    def _runs(self) -> list[Coroutine[Any, Any, None]]:
        return [self._run()] if self._fails else []

    def _close(self) -> None:
        self.closed = True

    async def _run(self) -> None:
        await self.fail.wait()
        raise LookupError("a defect")


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_running_job_ends_where_it_began_and_what_comes_is_served_by_the_new_one() -> None:
    first, second = Made(1), Made(2)
    generations = Generations(first.generation)
    running = asyncio.create_task(generations.run())
    early = asyncio.create_task(generations.serve(JOB, PLACE, None))
    await settled()
    generations.succeed(second.generation)
    late = asyncio.create_task(generations.give_up(JOB, PLACE, None))
    await settled()
    assert (first.server.serving, second.server.serving, first.closed) == (1, 1, False)
    first.server.gates[0].set()
    await early
    await settled()
    assert (first.closed, second.closed) == (True, False)
    second.server.gates[0].set()
    await late
    running.cancel()
    await asyncio.wait([running])
    assert second.closed


async def test_a_crowd_is_that_of_the_current_one_and_is_looked_at_again() -> None:
    first, second = Made(1), Made(2)
    generations = Generations(first.generation)
    running = asyncio.create_task(generations.run())
    crowd, stirred = CurrentCrowd(generations, Lane.BATCH), asyncio.Event()
    crowd.watch(stirred.set)
    assert crowd.held_back({}) == ["model-1"]
    generations.succeed(second.generation)
    assert crowd.held_back({}) == ["model-2"]
    assert stirred.is_set()
    assert second.crowd.stirred == [stirred.set]
    running.cancel()
    await asyncio.wait([running])


async def test_a_defect_in_one_of_them_is_the_workers_own() -> None:
    made = Made(1, fails=True)
    generations = Generations(made.generation)
    running = asyncio.create_task(generations.run())
    await settled()
    made.fail.set()
    with pytest.raises(ExceptionGroup) as raised:
        await running
    assert raised.group_contains(LookupError)
    assert made.closed
