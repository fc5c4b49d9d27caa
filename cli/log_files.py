"""What does a log file end with, and what is added to it? Also after it was put aside, and before it is there."""

import os
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

__all__ = ["LogFile", "log_names"]

_BLOCK: Final = 65_536
_MOST: Final = 16 * 1_048_576
"""A log is read back so far at most, in bytes, however long its lines are."""


def log_names(folder: Path) -> list[str]:
    """Of all that have ever written there."""
    return sorted(path.stem for path in folder.glob("*.log"))


@dataclass(slots=True)
class LogFile:
    """One reading of it; afterwards `added` gives what comes."""

    path: Path
    _inode: int = field(default=0, init=False)
    _read_to: int = field(default=0, init=False)
    _unfinished: bytes = field(default=b"", init=False)

    def last(self, count: int) -> list[str]:
        """Its last lines, the oldest first; none of a file that is not there."""
        try:
            with self.path.open("rb") as file:
                found = os.fstat(file.fileno())
                self._inode, self._read_to = found.st_ino, found.st_size
                lines = self._lines(_tail(file.fileno(), found.st_size, count))
                return lines[-count:] if count else []
        except FileNotFoundError:
            return []

    def added(self) -> list[str]:
        """The whole lines that came since; from the beginning again when the file is another one, or was emptied."""
        try:
            with self.path.open("rb") as file:
                found = os.fstat(file.fileno())
                if found.st_ino != self._inode or found.st_size < self._read_to:
                    self._inode, self._read_to, self._unfinished = found.st_ino, 0, b""
                file.seek(self._read_to)
                block = file.read(_MOST)
        except FileNotFoundError:
            return []
        self._read_to += len(block)
        return self._lines(block)

    def _lines(self, block: bytes) -> list[str]:
        *whole, self._unfinished = (self._unfinished + block).split(b"\n")
        return [line.decode(errors="replace").rstrip("\r") for line in whole]


def _tail(descriptor: int, size: int, count: int) -> bytes:
    """Enough of the end to have so many lines in it."""
    blocks: deque[bytes] = deque()
    start, lines = size, 0
    while start > 0 and lines <= count and size - start < _MOST:
        length = min(_BLOCK, start)
        start -= length
        blocks.appendleft(os.pread(descriptor, length, start))
        lines += blocks[0].count(b"\n")
    return b"".join(blocks)
