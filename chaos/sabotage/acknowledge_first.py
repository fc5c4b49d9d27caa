"""The record is acknowledged as soon as it has come, as most consumers do; the job runs on its own from there."""

import asyncio

from services.router_worker.consumption.handler import RecordHandler

__all__ = ["commit"]

_handle = RecordHandler.handle
_running: set[asyncio.Task[None]] = set()


def commit() -> None:
    RecordHandler.handle = _acknowledge  # type: ignore[method-assign]


async def _acknowledge(self: RecordHandler, value: bytes) -> None:
    task = asyncio.create_task(_handle(self, value))
    _running.add(task)
    task.add_done_callback(_running.discard)
