"""Whatever a dying connection raises, its user gets the one error that means: away, try again."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio.connection import Connection
from redis.exceptions import ConnectionError as RedisConnectionError

from shared.redis.packing import packing


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            writer.write(b"+OK\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()


@pytest.fixture
async def connection(port: int) -> AsyncIterator[Connection]:
    kind = packing(Connection)
    assert isinstance(kind, type)
    connection = kind(host="127.0.0.1", port=port, socket_timeout=1, driver_info=None, protocol=2)
    await connection.connect()
    yield connection
    await connection.disconnect(nowait=True)


class DeadWriter:
    """As uvloop's is once its handle is gone."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.transport = writer.transport
        self.close = writer.close
        self.wait_closed = writer.wait_closed

    def writelines(self, data: object) -> None:
        raise RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")


async def test_a_connection_that_is_closed_under_a_send_is_a_lost_connection(connection: Connection) -> None:
    connection._writer = DeadWriter(connection._writer)
    with pytest.raises(RedisConnectionError):
        await connection.send_command("PING")


async def test_a_connection_that_is_closed_under_a_read_is_a_lost_connection(connection: Connection) -> None:
    connection._parser._stream = None
    with pytest.raises(RedisConnectionError):
        await connection.read_response()


async def test_a_connection_that_lives_says_what_it_hears(connection: Connection) -> None:
    await connection.send_command("PING")
    assert await connection.read_response() == b"OK"
