"""Questions to Kafka find a way again when a connection has died and nobody was told."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from shared.kafka import new_questioner
from shared.kafka_access import KafkaAccess


@dataclass
class Router:
    """Stands between, and can lose all connections that there are: what is sent on them is swallowed."""

    host: str
    port: int
    own_port: int = 0
    lost: set[int] = field(default_factory=set)
    opened: int = 0

    def lose_all(self) -> None:
        self.lost = set(range(self.opened))

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number, self.opened = self.opened, self.opened + 1
        far_reader, far_writer = await asyncio.open_connection(self.host, self.port)
        with closing(writer), closing(far_writer):
            await asyncio.gather(self._pass(number, reader, far_writer), self._pass(number, far_reader, writer))

    async def _pass(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while packet := await reader.read(65_536):
            if number not in self.lost:
                # The broker says where it is to be found: here.
                writer.write(packet.replace(struct.pack(">i", self.port), struct.pack(">i", self.own_port)))
        writer.close()


@asynccontextmanager
async def routed(kafka_url: str) -> AsyncIterator[Router]:
    host, port = kafka_url.rsplit(":", 1)
    router = Router(host, int(port))
    server = await asyncio.start_server(router.connected, "127.0.0.1")
    router.own_port = server.sockets[0].getsockname()[1]
    async with server:
        yield router


async def is_answered(questioner: AIOKafkaAdminClient) -> bool:
    with suppress(KafkaError, TimeoutError):
        async with asyncio.timeout(3):
            await questioner.list_topics()
            return True
    return False


async def test_a_connection_that_died_without_a_word_is_given_up_although_every_asker_goes_before(
    kafka_url: str,
) -> None:
    async with routed(kafka_url) as router:
        questioner = new_questioner(KafkaAccess(f"127.0.0.1:{router.own_port}"), "asks")
        await questioner.start()
        assert await is_answered(questioner)
        router.lose_all()
        assert any([await is_answered(questioner) for _ in range(3)])
        await questioner.close()
