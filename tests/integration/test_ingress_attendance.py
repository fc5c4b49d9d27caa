"""The topic door's consumer on real Kafka: lost without knowing it, it is replaced."""

import asyncio
from collections.abc import Callable

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from services.ingress.adapters.attendance import Attendance
from shared.groups import member_id_of
from tests.suites.consumption import new_topic
from tests.suites.fleet import until


class Door:
    """The port `Attending`."""

    def __init__(self, kafka_url: str, topic: str, group: str) -> None:
        self._made = lambda: AIOKafkaConsumer(
            topic, bootstrap_servers=kafka_url, group_id=group, auto_offset_reset="earliest"
        )
        self.consumers: list[AIOKafkaConsumer] = []

    async def connect(self) -> None:
        consumer = self._made()
        await consumer.start()
        self.consumers.append(consumer)

    async def disconnect(self) -> None:
        await self.consumers[-1].stop()

    def member_id(self) -> str:
        return member_id_of(self.consumers[-1])


async def test_a_consumer_whose_coordination_has_died_is_replaced(
    kafka_url: str, fresh_name: Callable[[str], str]
) -> None:
    topic = await new_topic(kafka_url, fresh_name("submit"))
    door = Door(kafka_url, topic, topic)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_url)
    keeping = asyncio.create_task(
        Attendance(admin, topic, every_seconds=0.05, patience_seconds=0.3).keep(door), name="attendance"
    )
    await until(lambda: bool(door.consumers), "it is in its group")
    await asyncio.sleep(0.5)  # longer than the patience
    assert len(door.consumers) == 1
    coordinator = door.consumers[0]._coordinator
    coordinator._coordination_task.cancel()
    await coordinator._maybe_leave_group()  # what the end of the session would do
    await until(lambda: len(door.consumers) == 2, "it is replaced")
    async with AIOKafkaProducer(bootstrap_servers=kafka_url) as producer:
        await producer.send_and_wait(topic, b"heard")
    async with asyncio.timeout(10):
        assert (await door.consumers[1].getone()).value == b"heard"
    keeping.cancel()
    await asyncio.wait([keeping])
    await door.disconnect()
