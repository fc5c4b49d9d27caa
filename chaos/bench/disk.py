"""What would a disk have kept if the power went? The append-only files of a server as they were a second before."""

import asyncio
import os
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Never

__all__ = ["Disk"]

_LOOK_SECONDS: Final = 0.1
_REMEMBERED_SECONDS: Final = 4.0


class Disk:
    """Of one server, whose files only grow."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: deque[tuple[float, Mapping[Path, int]]] = deque()

    async def watch(self) -> Never:
        while True:
            self.look(time.monotonic())
            await asyncio.sleep(_LOOK_SECONDS)

    def look(self, now: float) -> None:
        self._seen.append((now, self._sizes()))
        while self._seen[0][0] < now - _REMEMBERED_SECONDS:
            self._seen.popleft()

    def lose(self, since: float) -> int:
        """Everything written since is gone. The server must not run. Returns the bytes lost."""
        before = self._at(since)
        lost = 0
        for file, size in self._sizes().items():
            kept = min(size, before.get(file, 0))
            os.truncate(file, kept)
            lost += size - kept
        self._seen.clear()
        return lost

    def _at(self, moment: float) -> Mapping[Path, int]:
        earlier = [sizes for at, sizes in self._seen if at <= moment]
        return earlier[-1] if earlier else {}

    def _sizes(self) -> Mapping[Path, int]:
        return {file: file.stat().st_size for file in self._folder.glob("**/*.incr.aof")}
