"""What does Sluice's own audit find when all is over? The command is run as an operator runs it."""

import asyncio
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from chaos.books import Audited

__all__ = ["audited"]

_COMMAND: Final = ("-m", "cli", "usage", "audit", "--json", "--since")
_SECONDS: Final = 120.0
_DIFFERENCES: Final = 4
"""The exit code that says that there are some."""


async def audited(servers: Mapping[str, str], since: float) -> Audited:
    """`servers` are the variables that say where they are. Compared is what came from the hour of `since` on.

    Raises RuntimeError when the command fails.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *_COMMAND,
        datetime.fromtimestamp(since, UTC).isoformat(),
        env=os.environ | servers,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_SECONDS):
            answer, complaint = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if process.returncode not in (0, _DIFFERENCES):
        raise RuntimeError(f"sluice usage audit ended with {process.returncode}: {complaint.decode()[-2000:]}")
    found: Mapping[str, Any] = orjson.loads(answer)
    return Audited(
        calls=found["usage_events"],
        jobs=found["results"],
        waiting=found["not_recorded_yet"],
        differences=tuple(
            f"{each['between']}, {each['what']}: {each['first']} and {each['second']}" for each in found["differences"]
        ),
    )
