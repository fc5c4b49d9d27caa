"""Watermark subscribers in this process, on a topic of a test's own."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from faststream.kafka import KafkaBroker

from services.router_worker.consumption.lane import Intake
from services.router_worker.consumption.register import GroupRegister
from services.router_worker.consumption.subscriber import WatermarkSubscriber
from services.router_worker.consumption.subscription import raw_value, subscribe

__all__ = ["PARTITIONS", "Counted", "NamedSeat", "committed", "consuming", "new_topic", "produce"]

PARTITIONS = 4
Handler = Callable[[bytes], Awaitable[None]]


@dataclass(slots=True)
class Counted:
    """The port `IntakeMeasures`."""

    rebalances: int = 0
    rebuilds: int = 0
    commits: Counter[str] = field(default_factory=Counter)
    letters: Counter[str] = field(default_factory=Counter)

    def committed(self, outcome: str) -> None:
        self.commits[outcome] += 1

    def rebalanced(self) -> None:
        self.rebalances += 1

    def buried(self, topic: str, reason: str) -> None:
        self.letters[reason] += 1

    def rebuilt(self) -> None:
        self.rebuilds += 1


@dataclass(slots=True)
class NamedSeat:
    """The port `Seat`, for as long as the test says."""

    name: str | None = None

    async def confirm(self) -> str | None:
        return self.name


async def new_topic(kafka_url: str, name: str) -> str:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_url)
    await admin.start()
    await admin.create_topics([NewTopic(name, PARTITIONS, 1)])
    await admin.close()
    return name


async def produce(kafka_url: str, topic: str, count: int, *, partition: int | None = None, first: int = 0) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka_url, acks="all")
    await producer.start()
    for number in range(first, first + count):
        place = number % PARTITIONS if partition is None else partition
        await producer.send(topic, b"%d" % number, partition=place)
    await producer.stop()


@asynccontextmanager
async def consuming(
    kafka_url: str,
    topic: str,
    handler: Handler,
    *,
    seat: NamedSeat | None = None,
    measures: Counted | None = None,
    **options: Any,
) -> AsyncIterator[WatermarkSubscriber]:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_url)
    await admin.start()
    broker = KafkaBroker(kafka_url, apply_types=False, logger=None, graceful_timeout=None)
    intake = Intake(
        (topic,), f"{topic}.group", **{"slots": 50, "drain_seconds": 5, "heartbeat_interval_ms": 300} | options
    )
    register = GroupRegister(admin, intake.group)
    subscriber = subscribe(broker, intake, register, seat or NamedSeat(), measures or Counted())

    async def handle(value: bytes) -> None:
        await handler(value)

    subscriber(handle, decoder=raw_value)
    await broker.start()
    try:
        yield subscriber
    finally:
        await broker.stop()
        await admin.close()


async def committed(kafka_url: str, topic: str) -> dict[int, int]:
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka_url, group_id=f"{topic}.group", enable_auto_commit=False)
    await consumer.start()
    offsets = {number: await consumer.committed(TopicPartition(topic, number)) or 0 for number in range(PARTITIONS)}
    await consumer.stop()
    return offsets
