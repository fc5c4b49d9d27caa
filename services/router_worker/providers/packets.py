"""An answer's body as it comes from the socket, packet by packet.

httpx would pass every packet through four generators of its own and of its transport, which for an answer of hundreds
of packets costs a fifth of reading it. The packets are taken where aiohttp puts them.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import httpx
from aiohttp import StreamReader
from httpx_aiohttp import AiohttpTransport
from httpx_aiohttp.transport import AiohttpResponseStream, map_aiohttp_exceptions

from services.router_worker.providers.unpacking import Unpacker, unpacker

__all__ = ["PacketTransport", "packets_of"]

_SOURCE: Final = "sluice.packets"


class PacketTransport(AiohttpTransport):
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        if isinstance(response.stream, AiohttpResponseStream):
            response.extensions[_SOURCE] = response.stream._aiohttp_response.content  # noqa: SLF001 - it has no name
        return response


def packets_of(response: httpx.Response) -> AsyncIterator[bytes]:
    """Unpacked, where the provider packed them. Raises httpx.TransportError, OSError and PackedError, now or later."""
    source: StreamReader = response.extensions[_SOURCE]
    unpack = unpacker(response.headers.get("content-encoding"))
    return _packets(source) if unpack is None else _unpacked(source, unpack)


async def _packets(source: StreamReader) -> AsyncIterator[bytes]:
    # Nothing more than the source: it keeps the error that ends it, and with that whatever this frame knows.
    with map_aiohttp_exceptions():
        while packet := await source.readany():
            yield packet


async def _unpacked(source: StreamReader, unpack: Unpacker) -> AsyncIterator[bytes]:
    async for packet in _packets(source):
        for piece in unpack.feed(packet):
            yield piece
            await asyncio.sleep(0)  # to read a piece may take long enough: the other jobs go on before the next
