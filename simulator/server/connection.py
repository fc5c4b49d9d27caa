"""One client's connection: takes requests, answers them in order, and notices at once when the client leaves."""

import asyncio
from collections import deque
from typing import Final, Protocol, cast

import httptools

from simulator.exchange import Request
from simulator.provider import Performance
from simulator.served import How
from simulator.server.delivery import Delivery
from simulator.server.http import BodyTooLargeError, RequestReader, response_head
from simulator.server.pace import Pace

__all__ = ["Connection", "Site"]

_MAX_WAITING: Final = 16
"""Requests a client may send ahead of their responses."""


class Site(Protocol):
    """What a connection needs of the server it belongs to."""

    pace: Pace
    max_body_bytes: int
    connections: "set[Connection]"

    def unix_now(self) -> float: ...

    def perform(self, request: Request) -> Performance:
        """Never blocks, never raises."""
        ...

    def finish(self, performance: Performance, how: How) -> None: ...


class Connection(asyncio.Protocol):
    def __init__(self, site: Site) -> None:
        self._site = site
        self._reader = RequestReader(site.max_body_bytes)
        self._waiting: deque[Request] = deque()
        self._delivery: Delivery | None = None
        self._paused = False
        """The kernel takes no more bytes for this client."""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        # Told of every byte that the kernel does not take: what is counted as sent is then sent indeed.
        self._transport.set_write_buffer_limits(high=0)
        self._site.connections.add(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._waiting.extend(self._reader.feed(data))
        except BodyTooLargeError:
            self._refuse(413)
            return
        except httptools.HttpParserError:
            self._refuse(400)
            return
        if len(self._waiting) > _MAX_WAITING:
            self._refuse(503)
            return
        if self._reader.wants_continue:
            self._reader.wants_continue = False
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._serve_next()

    def eof_received(self) -> bool:
        # A client that only closes its sending half counts as gone too: no HTTP library does that and still listens.
        # asyncio's own answer would first wait until it has read what is on its way.
        self._left()
        self._transport.abort()
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  (asyncio's name)
        self._site.connections.discard(self)
        self._left()

    def pause_writing(self) -> None:
        self._paused = True
        if self._delivery:
            self._delivery.pause()

    def resume_writing(self) -> None:
        self._paused = False
        if self._delivery:
            self._delivery.resume()

    def stop(self) -> None:
        """The simulator stops."""
        if self._delivery:
            self._delivery.stop()
        self._transport.abort()

    def _left(self) -> None:
        self._waiting.clear()
        if self._delivery:
            self._delivery.client_left()

    def _serve_next(self) -> None:
        if self._delivery or not self._waiting:
            return
        request = self._waiting.popleft()
        performance = self._site.perform(request)

        def ended(how: How) -> None:
            self._delivery = None
            self._site.finish(performance, how)
            if how in {"completed", "error"}:
                self._go_on(request)

        self._delivery = Delivery(
            performance, self._transport, self._site.pace, self._site.unix_now, ended, keep_alive=request.keep_alive
        )
        if self._paused:
            self._delivery.pause()
        self._delivery.start()

    def _go_on(self, request: Request) -> None:
        if request.keep_alive:
            self._serve_next()
        else:
            self._transport.close()

    def _refuse(self, status: int) -> None:
        """The bytes cannot be taken for a request; what is under way ends too."""
        if self._delivery:
            self._left()
            self._transport.abort()
            return
        self._transport.write(response_head(status, (), 0, keep_alive=False))
        self._transport.close()
