"""How batches come together, on a real Kafka: before PostgreSQL is asked for anything."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from aiokafka import AIOKafkaProducer
from faststream.kafka import KafkaBroker

from services.accounting.consumption.intake import Intake, Source
from services.accounting.ports import Consumed, Record
from services.accounting.ports import Place as PlaceOfRecord
from shared.kafka import ensure_topics, new_producer
from shared.topics import USAGE
from tests.suites.accounting import an_attempt, attempts
from tests.suites.running_accounting import Place, as_records, committed, produce, until


@pytest.fixture
async def place(kafka_url: str, topic_prefix: str) -> Place:
    await ensure_topics(kafka_url, topic_prefix)
    return Place(kafka_url, "", topic_prefix)


def usage_of(place: Place, batch_records: int) -> Source:
    """Its consumer stays in its group through a pause of this machine: each record is read once."""
    group = f"{place.topic_prefix}.accounting.usage"
    return Source("usage", (USAGE.at(place.topic_prefix),), group, batch_records, session_seconds=60)


@pytest.fixture
async def producer(kafka_url: str) -> AsyncIterator[AIOKafkaProducer]:
    producer = new_producer(kafka_url, "test")
    await producer.start()
    yield producer
    await producer.stop()


async def test_the_next_batch_is_read_while_one_is_written_and_no_further_one(
    place: Place, producer: AIOKafkaProducer
) -> None:
    read, written, gate = list[int](), list[int](), asyncio.Event()

    async def reading(records: Sequence[Record]) -> Sequence[Record]:
        read.append(len(records))
        return records

    async def writing(portions: Sequence[Sequence[Record]]) -> Consumed:
        await gate.wait()
        records = [record for portion in portions for record in portion]
        written.append(len(records))
        return {PlaceOfRecord(record.topic, record.partition): record.offset + 1 for record in records}

    async def two_are_in_hand() -> bool:
        return len(read) == 2

    async def all_are_written() -> bool:
        return sum(written) == 60

    await produce(producer, place, USAGE, as_records(attempts(60)))
    broker = KafkaBroker(place.kafka_url, apply_types=False, logger=None)
    intake = Intake(broker, usage_of(place, 10), reading, writing)
    await broker.start()
    await until(two_are_in_hand)
    assert (len(read), written) == (2, [])
    gate.set()
    await until(all_are_written)
    await intake.close(10)
    assert sum((await committed(place, "usage")).values()) == 60
    await broker.stop()


async def test_what_comes_while_a_batch_is_written_makes_the_next_one(place: Place, producer: AIOKafkaProducer) -> None:
    read, written, gate = list[int](), list[int](), asyncio.Event()

    async def reading(records: Sequence[Record]) -> int:
        read.append(len(records))
        return len(records)

    async def writing(counts: Sequence[int]) -> Consumed:
        written.append(sum(counts))
        await gate.wait()
        return {}

    broker = KafkaBroker(place.kafka_url, apply_types=False, logger=None)
    intake = Intake(broker, usage_of(place, 10_000), reading, writing)
    await broker.start()
    for produced in (10, 20, 30):
        await produce(producer, place, USAGE, as_records(attempts(10)))

        async def all_are_read(so_far: int = produced) -> bool:
            return sum(read) == so_far

        await until(all_are_read)

    async def all_are_written() -> bool:
        return sum(written) == 30

    gate.set()
    await until(all_are_written)
    await intake.close(10)
    await broker.stop()
    assert len(written) == 2
    assert written[0] <= 10


async def test_a_batch_that_fails_for_an_unforeseen_reason_is_not_committed_past(
    place: Place, producer: AIOKafkaProducer
) -> None:
    taken: list[int] = []

    async def read(records: Sequence[Record]) -> int:
        return len(records)

    async def write(counts: Sequence[int]) -> Consumed:
        taken.extend(counts)
        raise ZeroDivisionError

    broker = KafkaBroker(place.kafka_url, apply_types=False, logger=None)
    intake = Intake(broker, usage_of(place, 10), read, write)
    await produce(producer, place, USAGE, as_records(attempts(60)))
    await broker.start()
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(intake.fault, 20)
    await producer.send_and_wait(USAGE.at(place.topic_prefix), an_attempt().to_bytes())
    await broker.stop()
    assert len(taken) == 1
    assert await committed(place, "usage") == {}
