"""A connection that closes just when something is sent on it is lost, and nothing worse."""

import asyncio

import pytest
import uvloop
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest

import shared.kafka_connections  # noqa: F401 - what is tested


class Unasked(AIOKafkaConnection):  # type: ignore[misc] # aiokafka is untyped
    """To a server that need not say what it speaks."""

    async def _do_version_lookup(self) -> None:
        self._versions = {MetadataRequest.API_KEY: (0, 5)}


async def _broken_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


async def _send_on_what_closes() -> None:
    async with await asyncio.start_server(_broken_off, "127.0.0.1") as server:
        connection = Unasked("127.0.0.1", server.sockets[0].getsockname()[1])
        await connection.connect()
        connection._writer.transport.abort()
        await asyncio.sleep(0)
        with pytest.raises(KafkaConnectionError, match="closed"):
            await connection.send(MetadataRequest([]))
        assert not connection.connected()


def test_whoever_sends_on_a_connection_that_closes_just_then_is_told_that_it_is_lost() -> None:
    uvloop.run(_send_on_what_closes())
