"""Accounting as it runs, wired to the real servers, and what came of it in the database and on Kafka."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal

import asyncpg
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from services.accounting.settings import Settings
from services.accounting.wiring import Accounting, wire
from shared.config import Config
from shared.config.schema import PriceOverride
from shared.contracts import AttemptFinished
from shared.topics import Topic

PRICES = (PriceOverride(provider="openai", model="*", input=Decimal(1), output=Decimal(2)),)


@dataclass(frozen=True, slots=True)
class Place:
    """Where one test's accounting lives: topics, groups and a database of its own."""

    kafka_url: str
    postgres_url: str
    topic_prefix: str

    def settings(self, **changed: str) -> Settings:
        return Settings.model_validate(
            {
                "kafka_url": self.kafka_url,
                "postgres_url": self.postgres_url,
                "topic_prefix": self.topic_prefix,
                "namespace": self.topic_prefix,
                "probe_host": "127.0.0.1",
                "probe_port": 0,
                **changed,
            }
        )

    async def rows(self, query: str) -> list[tuple[object, ...]]:
        connection = await asyncpg.connect(self.postgres_url)
        try:
            return [tuple(row) for row in await connection.fetch(query)]
        finally:
            await connection.close()

    async def attempts_recorded(self) -> int:
        try:
            [(count,)] = await self.rows("select count(*) from usage_ledger")
        except asyncpg.UndefinedTableError:
            return 0
        return int(str(count))


@asynccontextmanager
async def accounting(place: Place, **changed: str) -> AsyncIterator[Accounting]:
    async with wire(place.settings(**changed), Config(prices=PRICES), asyncio.Event()) as running:
        yield running


async def produce(producer: AIOKafkaProducer, place: Place, topic: Topic, values: Sequence[tuple[str, bytes]]) -> None:
    name = topic.at(place.topic_prefix)
    sent = [await producer.send(name, value, key=key.encode()) for key, value in values]
    await asyncio.gather(*sent)


def as_records(events: Sequence[AttemptFinished]) -> list[tuple[str, bytes]]:
    return [(event.job_id, event.to_bytes()) for event in events]


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not await holds():
            await asyncio.sleep(0.05)


async def recorded(place: Place, count: int, seconds: float = 60) -> None:
    async def enough() -> bool:
        return await place.attempts_recorded() >= count

    await until(enough, seconds)


async def assert_ledger_and_roll_up_hold(place: Place, events: Sequence[AttemptFinished]) -> None:
    assert sorted(await place.rows("select attempt_id from usage_ledger")) == sorted((e.attempt_id,) for e in events)
    tokens = (Decimal(sum(event.usage.total for event in events)),)
    cost = (Decimal(sum(1000 * event.usage.input + 2000 * event.usage.output for event in events)),)
    buckets = "uncached_input_tokens + cache_write_tokens + cache_read_tokens + output_tokens"
    for table in ("usage_ledger", "usage_hourly"):
        assert await place.rows(f"select sum({buckets}) from {table}") == [tokens]  # noqa: S608 - no input
        assert await place.rows(f"select sum(cost_nanodollars) from {table}") == [cost]  # noqa: S608 - no input


async def committed(place: Place, group: str) -> dict[TopicPartition, int]:
    admin = AIOKafkaAdminClient(bootstrap_servers=place.kafka_url)
    await admin.start()
    try:
        offsets = await admin.list_consumer_group_offsets(f"{place.topic_prefix}.accounting.{group}")
    finally:
        await admin.close()
    return {partition: found.offset for partition, found in offsets.items()}
