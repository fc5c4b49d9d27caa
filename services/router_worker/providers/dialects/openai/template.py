"""Most chunks of a stream differ from the one before in their text alone. Those are not parsed: they are cut.

A chunk that was read and carries nothing but text becomes the template. What stands before and behind the text is the
same in the next one, byte by byte, or that is read as JSON like the first; and between them stands a JSON string that
needs no unescaping, which `_SIMPLE` makes sure of. So a cut chunk means exactly what a parsed one would.
"""

import re
from typing import Final

from services.router_worker.events import Chunk

__all__ = ["Template", "template_of"]

_SIMPLE: Final = re.compile(rb'[^"\\\x00-\x1f]+')
"""The inside of a JSON string without escapes."""
_PLACE: Final = re.compile(rb'"content": ?"([^"\\\x00-\x1f]+)"')


class Template:
    __slots__ = ("_choice", "_head", "_tail", "_told_head", "_told_tail")

    def __init__(self, head: bytes, tail: bytes, told_head: bytes, told_tail: bytes, choice: int) -> None:
        self._head, self._tail = head, tail
        """As the provider sends it."""
        self._told_head, self._told_tail = told_head, told_tail
        """As we tell it."""
        self._choice = choice

    def cut(self, data: bytes) -> Chunk | None:
        """None for a chunk that differs in more than its text."""
        if not (data.startswith(self._head) and data.endswith(self._tail)):
            return None
        inside = data[len(self._head) : -len(self._tail)]
        if _SIMPLE.fullmatch(inside) is None:
            return None
        try:
            text = inside.decode()
        except UnicodeDecodeError:
            return None
        return Chunk(self._told_head + inside + self._told_tail, text, True, True, self._choice)


def template_of(data: bytes, told: Chunk) -> Template | None:
    """From a plain chunk as it came and as it is told; None where its text does not stand in both exactly once."""
    came, tells = _PLACE.findall(data), _PLACE.findall(told.data)
    if len(came) != 1 or came != tells or came[0] != told.text.encode():
        return None
    head, tail = _around(data)
    told_head, told_tail = _around(told.data)
    return Template(head, tail, told_head, told_tail, told.choice)


def _around(data: bytes) -> tuple[bytes, bytes]:
    place = _PLACE.search(data)
    if place is None:
        raise ValueError("a chunk without content")
    return data[: place.start(1)], data[place.end(1) :]
