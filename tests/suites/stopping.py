"""Does a loop end that is told to stop in the middle of what it waits for?"""

import asyncio
from collections.abc import Coroutine
from typing import Any

__all__ = ["stops_when_told"]


async def stops_when_told(loop: Coroutine[Any, Any, None]) -> bool:
    running = asyncio.create_task(loop)
    await asyncio.sleep(0)
    running.cancel()
    async with asyncio.timeout(10):
        await asyncio.wait([running])
    return running.cancelled()
