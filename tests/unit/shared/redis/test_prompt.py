"""A command is written at once where there is room, and in bounded time where there is none."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from redis.asyncio.connection import Connection
from redis.exceptions import RedisError

from shared.redis.packing import packing


@pytest.fixture
async def deaf() -> AsyncIterator[int]:
    """A server that accepts and never reads."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


async def connected(port: int) -> Connection:
    kind = packing(Connection)
    assert isinstance(kind, type)
    connection: Connection = kind(
        host="127.0.0.1", port=port, socket_timeout=0.2, socket_connect_timeout=20, driver_info=None, protocol=2
    )
    await connection.connect()
    return connection


async def test_a_command_that_finds_room_makes_no_task(deaf: int) -> None:
    connection = await connected(deaf)
    before = asyncio.all_tasks()
    sending = connection.send_command("PING")
    with pytest.raises(StopIteration):
        sending.send(None)  # it ends without waiting for anything
    assert asyncio.all_tasks() == before
    await connection.disconnect(nowait=True)


async def test_a_server_that_takes_nothing_more_is_given_up_in_time(deaf: int) -> None:
    connection = await connected(deaf)

    async def send_without_end() -> None:
        while True:
            await connection.send_command("SET", "a", b"." * 1_000_000)

    with pytest.raises(RedisError):
        async with asyncio.timeout(20):
            await send_without_end()


@pytest.mark.parametrize("turns", range(5))
async def test_whoever_is_told_to_stop_in_the_middle_of_a_command_stops(deaf: int, turns: int) -> None:
    connection = await connected(deaf)
    while not connection._writer.transport.get_write_buffer_size():
        await connection.send_command("SET", "a", b"." * 1000)
    sending = asyncio.create_task(connection.send_command("PING"))
    for _ in range(turns):
        await asyncio.sleep(0)
    told = sending.cancel()
    await asyncio.wait({sending})
    assert sending.cancelled() == told
    await connection.disconnect(nowait=True)
