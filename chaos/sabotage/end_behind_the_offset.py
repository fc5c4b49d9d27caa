"""The offset is finished first, and the job's end is written and published behind it."""

import asyncio

from services.router_worker.run import Run, Verdict
from services.router_worker.serve import Server

__all__ = ["commit"]

_LATE_SECONDS = 0.5
"""A window wide enough for a look at the broker, and for a death."""

_end = Server._end  # noqa: SLF001 - breaking it is the purpose
_running: set[asyncio.Task[None]] = set()


def commit() -> None:
    Server._end = _say_that_it_ended  # type: ignore[method-assign] # noqa: SLF001


async def _say_that_it_ended(self: Server, run: Run, verdict: Verdict) -> bool:
    task = asyncio.create_task(_end_late(self, run, verdict))
    _running.add(task)
    task.add_done_callback(_running.discard)
    return True


async def _end_late(server: Server, run: Run, verdict: Verdict) -> None:
    await asyncio.sleep(_LATE_SECONDS)
    await _end(server, run, verdict)
