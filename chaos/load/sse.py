"""Server-sent events as they come off a connection, by the standard as far as this gateway uses it."""

from collections.abc import AsyncGenerator

import aiohttp

from chaos.facts import Event

__all__ = ["events_of"]

_END = b"\n\n"


async def events_of(content: aiohttp.StreamReader) -> AsyncGenerator[Event, None]:
    """Whole events only; comments are passed over. Raises what the connection does."""
    pending = b""
    async for packet in content.iter_any():
        *whole, pending = (pending + packet).split(_END)
        for block in whole:
            event = _event(block)
            if event is not None:
                yield event


def _event(block: bytes) -> Event | None:
    fields: dict[bytes, bytes] = {}
    for line in block.split(b"\n"):
        name, _, value = line.partition(b":")
        if name:
            fields[name] = value.removeprefix(b" ")
    if b"data" not in fields:
        return None
    return Event(fields.get(b"id", b"").decode(), fields.get(b"event", b"message").decode(), fields[b"data"])
