"""Server-sent events over plain ASGI: bytes are ready when they come here, and a reader that stalls is let go."""

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

from services.ingress.api.reply import Exchange
from shared.alarm import Alarm
from shared.job_log import Entry

__all__ = ["PING", "SSE_HEADERS", "EventStream", "StalledReaderError", "data_frame", "event_frame"]

PING: Final = b": ping\n\n"

SSE_HEADERS: Final = (
    ("content-type", "text/event-stream; charset=utf-8"),
    ("cache-control", "no-cache, no-transform"),
    ("x-accel-buffering", "no"),
)


class StalledReaderError(Exception):
    """The client keeps the connection open and reads nothing."""


def data_frame(data: bytes) -> bytes:
    """`data` without line breaks."""
    return b"data: " + data + b"\n\n"


def event_frame(entry: Entry) -> bytes:
    """As the browser's EventSource reads it; it sends the id back as `Last-Event-ID` when it comes again."""
    return b"id: %d-%d\nevent: %s\ndata: %s\n\n" % (*entry.cursor, entry.type.encode(), entry.data)


class EventStream:
    """One response, in one task. Its head goes out with the first bytes: until then it may become another answer."""

    def __init__(self, exchange: Exchange, headers: Mapping[str, str], *, write_seconds: float) -> None:
        self._send_head = exchange.send
        self._send = exchange.send_body
        self._headers = [(name.encode(), value.encode()) for name, value in (*SSE_HEADERS, *headers.items())]
        self._write_seconds = write_seconds
        self._loop = asyncio.get_running_loop()
        self._alarm = Alarm()
        self.opened = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._alarm.close()

    async def write(self, frames: bytes) -> None:
        """Waits while the client's buffers are full. Raises StalledReaderError when they stay so."""
        self._alarm.watch(self._loop.time() + self._write_seconds)
        try:
            if not self.opened:
                self.opened = True
                await self._send_head({"type": "http.response.start", "status": 200, "headers": self._headers})
            await self._send({"type": "http.response.body", "body": frames, "more_body": True})
        except asyncio.CancelledError:
            if self._alarm.struck():
                raise StalledReaderError from None
            raise
        self._alarm.rest()

    async def ping(self) -> None:
        await self.write(PING)

    async def close(self) -> None:
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})
