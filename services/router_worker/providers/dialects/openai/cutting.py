"""Most chunks of a stream differ from the one before in their text alone. Those are not parsed: they are cut.

A chunk that was read and carries nothing but text becomes the pattern. What stands before and behind its text is the
same in the next one, byte by byte, or that is read as JSON like the first; and between them stands the inside of a JSON
string that needs no unescaping. So a chunk that is cut means exactly what it would mean if it were parsed.
"""

import re
from typing import Final, NamedTuple

from services.router_worker.events import Chunk

__all__ = ["Cutter"]

_SIMPLE: Final = re.compile(rb'[^"\\\x00-\x1f]+')
"""The inside of a JSON string without escapes."""
_PLACE: Final = re.compile(rb'"content": ?"([^"\\\x00-\x1f]+)"')
_TRIES: Final = 4
"""Some providers put something new into every chunk: to look for a pattern there costs more than it gives."""


class _Pattern(NamedTuple):
    head: bytes
    tail: bytes
    """As the provider sends it."""
    told_head: bytes
    told_tail: bytes
    """As we tell it."""
    choice: int


class Cutter:
    __slots__ = ("_pattern", "_tries")

    def __init__(self) -> None:
        self._pattern: _Pattern | None = None
        self._tries = _TRIES

    def cut(self, data: bytes) -> Chunk | None:
        """None for a chunk that differs in more than its text."""
        pattern = self._pattern
        if pattern is None:
            return None
        head, tail, told_head, told_tail, choice = pattern
        if not (data.startswith(head) and data.endswith(tail)):
            return None
        inside = data[len(head) : -len(tail)]
        if _SIMPLE.fullmatch(inside) is None:
            return None
        try:
            text = inside.decode()
        except UnicodeDecodeError:
            return None
        return Chunk(told_head + inside + told_tail, text, True, True, choice)

    def learn(self, data: bytes, told: Chunk) -> None:
        """From a chunk as it came and as it is told."""
        if self._tries and told.plain:
            self._tries -= 1
            self._pattern = _pattern(data, told) or self._pattern


def _pattern(data: bytes, told: Chunk) -> _Pattern | None:
    """None where the text does not stand in both exactly once."""
    came, tells = list(_PLACE.finditer(data)), list(_PLACE.finditer(told.data))
    if len(came) != 1 or len(tells) != 1 or not came[0][1] == tells[0][1] == told.text.encode():
        return None
    (start, end), (told_start, told_end) = came[0].span(1), tells[0].span(1)
    return _Pattern(data[:start], data[end:], told.data[:told_start], told.data[told_end:], told.choice)
