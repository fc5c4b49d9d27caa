"""Do something for a client, and stop as soon as it is gone."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from starlette.types import Receive

__all__ = ["unless_stopped", "until_departure"]


async def until_departure(receive: Receive) -> None:
    """Returns when the client has closed the connection. The request's body must have been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def unless_stopped(work: Coroutine[Any, Any, None], *stops: Coroutine[Any, Any, object]) -> bool:
    """Runs `work` until it ends or one of `stops` does; says whether it ended by itself. Raises what `work` raises."""
    working = asyncio.ensure_future(work)
    stopping = [asyncio.ensure_future(stop) for stop in stops]
    try:
        await asyncio.wait((working, *stopping), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            return False
        await working
        return True
    finally:
        for task in (working, *stopping):
            task.cancel()
        await asyncio.gather(working, *stopping, return_exceptions=True)
