"""When a connection has died and nobody was told: whoever needs it finds another way, and whoever stops can."""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError
from redis.asyncio import Redis

from services.accounting.ledger.engine import dispose, engine_for, ping, transaction
from services.router_worker.fleet.heartbeat import Heartbeat
from shared.job_log import Keyspace
from shared.kafka import REQUEST_MS, SEND_MS, new_producer, new_questioner
from shared.kafka_access import KafkaAccess
from shared.kafka_broker import broker_for
from shared.redis import redis_client
from tests.suites.consumption import new_topic


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
                # A broker of Kafka says where it is to be found: here.
                writer.write(packet.replace(struct.pack(">i", self.port), struct.pack(">i", self.own_port)))
        writer.close()


@asynccontextmanager
async def routed(server_url: str) -> AsyncIterator[Router]:
    host, port = server_url.rsplit(":", 1)
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


async def test_a_record_goes_another_way_before_a_worker_that_stops_has_to_go(
    kafka_url: str, fresh_name: Callable[[str], str]
) -> None:
    topic = await new_topic(kafka_url, fresh_name("topic"))
    async with routed(kafka_url) as router:
        producer = new_producer(KafkaAccess(f"127.0.0.1:{router.own_port}"), "writes")
        await producer.start()
        await producer.send_and_wait(topic, b"one")
        router.lose_all()
        async with asyncio.timeout(SEND_MS / 1000 + 5):
            await producer.send_and_wait(topic, b"two")
        await producer.stop()


async def test_a_producer_asks_for_a_topic_that_is_new_to_it_another_way(
    kafka_url: str, fresh_name: Callable[[str], str]
) -> None:
    known, new = await new_topic(kafka_url, fresh_name("topic")), await new_topic(kafka_url, fresh_name("topic"))
    async with routed(kafka_url) as router:
        producer = AIOKafkaProducer(bootstrap_servers=f"127.0.0.1:{router.own_port}", request_timeout_ms=1000)
        await producer.start()
        await producer.send_and_wait(known, b"one")
        router.lose_all()
        async with asyncio.timeout(20):
            while True:
                with suppress(UnknownTopicOrPartitionError):
                    await producer.send_and_wait(new, b"two")
                    break
        await producer.stop()


async def test_a_service_is_patient_where_a_group_is_joined_and_nowhere_else(
    kafka_url: str, fresh_name: Callable[[str], str]
) -> None:
    broker = broker_for(KafkaAccess(kafka_url), "both")
    subscriber = broker.subscriber(await new_topic(kafka_url, fresh_name("topic")), group_id=fresh_name("group"))
    subscriber(lambda record: None)
    await broker.start()
    try:
        assert subscriber.consumer is not None
        assert subscriber.consumer._client._request_timeout_ms == REQUEST_MS
        assert broker.config.broker_config.producer._producer.producer._request_timeout_ms == SEND_MS
    finally:
        await broker.stop()


async def test_a_worker_whose_connection_died_is_heard_again_by_another_in_time(
    redis: Redis, redis_url: str, fresh_name: Callable[[str], str]
) -> None:
    at, keyspace = urlsplit(redis_url), Keyspace(fresh_name("ns"))
    async with routed(f"{at.hostname}:{at.port}") as router:
        own = redis_client(f"redis://127.0.0.1:{router.own_port}/0", call_seconds=600)
        beating = asyncio.create_task(
            Heartbeat(own, keyspace, "w", every_seconds=0.1, dead_after_seconds=600).run(), name="beats"
        )
        async with asyncio.timeout(60):
            while not await redis.exists(keyspace.heartbeat("w")):
                await asyncio.sleep(0.02)
            router.lose_all()
            await redis.delete(keyspace.heartbeat("w"))
            while not await redis.exists(keyspace.heartbeat("w")):
                await asyncio.sleep(0.02)
        beating.cancel()
        await asyncio.wait({beating})
        await own.aclose(close_connection_pool=True)


async def test_who_is_stopped_does_not_wait_for_a_database_that_is_not_there(database: str) -> None:
    at = urlsplit(database)
    async with routed(f"{at.hostname}:{at.port}") as router:
        engine = engine_for(database.replace(f":{at.port}/", f":{router.own_port}/"))
        begun = asyncio.Event()

        async def write() -> None:
            async with transaction(engine):
                begun.set()
                await asyncio.Event().wait()

        writing = asyncio.create_task(write())
        await begun.wait()
        await ping(engine)
        router.lose_all()
        pinging = asyncio.create_task(ping(engine))
        async with asyncio.timeout(10):
            await asyncio.wait({pinging}, timeout=0.1)
            writing.cancel()
            pinging.cancel()
            await asyncio.wait({writing, pinging})
            await dispose(engine)
    assert writing.cancelled()
