"""A link does to a connection what it says, and its two ends see what the ends of such a connection see."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass

import pytest

from chaos.bench.links import Address, Link
from chaos.schedule import Act

SOON = 20.0
SILENCE = 0.2


@dataclass
class Client:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def says(self, what: bytes) -> bytes:
        self.writer.write(what)
        return await self.hears()

    async def hears(self) -> bytes:
        async with asyncio.timeout(SOON):
            return await self.reader.read(1000)

    async def hears_nothing(self) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SILENCE):
                await self.reader.read(1000)


class Echo:
    """A server that gives back what it gets, and counts those who are connected."""

    def __init__(self) -> None:
        self.connected = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connected += 1
        with suppress(ConnectionResetError):
            while data := await reader.read(1000):
                writer.write(data)
                await writer.drain()
        self.connected -= 1
        writer.close()

    async def has(self, connected: int) -> None:
        async with asyncio.timeout(SOON):
            while self.connected != connected:
                await asyncio.sleep(0.01)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Way:
    link: Link
    echo: Echo
    port: int
    clients: list[Client]

    async def client(self) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        self.clients.append(client)
        return client


@pytest.fixture
async def way() -> AsyncIterator[Way]:
    echo = Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    port = free_port()
    link = Link("client>echo", Address("127.0.0.1", server.sockets[0].getsockname()[1]))
    await link.listen(port)
    found = Way(link, echo, port, [])
    yield found
    for client in found.clients:
        client.writer.close()
    await link.close()
    server.close()
    await server.wait_closed()


async def test_a_whole_link_passes_everything_on_and_a_half_closed_connection_too(way: Way) -> None:
    client = await way.client()
    assert await client.says(b"one") == b"one"
    client.writer.write_eof()
    assert await client.hears() == b""
    await way.echo.has(0)


async def test_a_cut_link_resets_what_is_connected_and_whoever_comes(way: Way) -> None:
    before = await way.client()
    assert await before.says(b"one") == b"one"
    way.link.strike(Act.CUT)
    with pytest.raises(ConnectionResetError):
        await before.hears()
    await way.echo.has(0)
    after = await way.client()
    with suppress(ConnectionResetError):
        assert await after.hears() == b""
    way.link.heal()
    assert await (await way.client()).says(b"two") == b"two"


async def test_a_held_link_delivers_everything_when_it_is_over(way: Way) -> None:
    client = await way.client()
    assert await client.says(b"one") == b"one"
    way.link.strike(Act.HOLD)
    client.writer.write(b"two")
    await client.hears_nothing()
    client.writer.write(b"three")
    await client.hears_nothing()
    way.link.heal()
    assert await client.hears() == b"twothree"


async def test_a_delayed_link_is_late(way: Way) -> None:
    client = await way.client()
    assert await client.says(b"one") == b"one"
    way.link.strike(Act.DELAY)
    client.writer.write(b"two")
    await client.hears_nothing()
    assert await client.hears() == b"two"


async def test_a_client_of_a_half_open_connection_is_never_told(way: Way) -> None:
    client = await way.client()
    assert await client.says(b"one") == b"one"
    way.link.strike(Act.HALF_OPEN)
    await way.echo.has(0)
    client.writer.write(b"lost")
    await client.hears_nothing()
    meanwhile = await way.client()
    meanwhile.writer.write(b"lost")
    await meanwhile.hears_nothing()
    way.link.heal()
    await client.hears_nothing()
    assert await (await way.client()).says(b"two") == b"two"


async def test_a_deserted_server_is_never_told(way: Way) -> None:
    client = await way.client()
    assert await client.says(b"one") == b"one"
    way.link.strike(Act.DESERTED)
    with pytest.raises(ConnectionResetError):
        await client.hears()
    assert way.echo.connected == 1
    way.link.heal()
    assert await (await way.client()).says(b"two") == b"two"
    assert way.echo.connected == 2


async def test_a_link_that_leads_elsewhere_sends_everybody_there(way: Way) -> None:
    client = await way.client()
    assert await client.says(b"one") == b"one"

    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.read(100)).upper())
        writer.close()

    other = await asyncio.start_server(shout, "127.0.0.1", 0)
    way.link.lead_to(Address("127.0.0.1", other.sockets[0].getsockname()[1]))
    with pytest.raises(ConnectionResetError):
        await client.hears()
    assert await (await way.client()).says(b"two") == b"TWO"
    other.close()
