"""What stands on the topics when all is over: every record from the first to the last, read by nobody's group."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from chaos.facts import Accepted, Deferred, Ending, Letter, Place
from shared.contracts import DeadLetter, Job, JobEnded, JsonObject
from shared.topics import DEAD_LETTERS, JOBS, RESULTS, TIERS, Topic

__all__ = ["accepted_jobs", "buried", "deferred_jobs", "endings"]

_POLL_MS: Final = 500


async def accepted_jobs(kafka_url: str) -> tuple[Accepted, ...]:
    records = [record async for record in _all(kafka_url, tuple(JOBS.values()))]
    return tuple(_accepted(record) for record in records)


async def deferred_jobs(kafka_url: str) -> tuple[Deferred, ...]:
    records = [record async for record in _all(kafka_url, tuple(tier.topic for tier in TIERS))]
    return tuple(Deferred(Job.model_validate_json(record.value).id, record.timestamp / 1000) for record in records)


async def endings(kafka_url: str) -> tuple[Ending, ...]:
    return tuple([_ending(record) async for record in _all(kafka_url, (RESULTS,))])


async def buried(kafka_url: str) -> tuple[Letter, ...]:
    letters = [DeadLetter.model_validate_json(record.value) async for record in _all(kafka_url, (DEAD_LETTERS,))]
    return tuple(Letter(Place(each.topic, each.partition, each.offset), each.message) for each in letters)


async def _all(kafka_url: str, topics: Sequence[Topic]) -> AsyncIterator[ConsumerRecord]:
    """Raises KafkaError when the broker is away."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka_url, enable_auto_commit=False)
    await consumer.start()
    try:
        places = [TopicPartition(topic.name, number) for topic in topics for number in range(topic.partitions)]
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        ends = await consumer.end_offsets(places)
        while await _is_behind(consumer, ends):
            for records in (await consumer.getmany(timeout_ms=_POLL_MS)).values():
                for record in records:
                    yield record
    finally:
        await consumer.stop()


async def _is_behind(consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]) -> bool:
    for place, end in ends.items():
        if await consumer.position(place) < end:
            return True
    return False


def _accepted(record: ConsumerRecord) -> Accepted:
    job = Job.model_validate_json(record.value)
    return Accepted(
        place=_place(record),
        job=job.id,
        name=job.tags.get("name"),
        model=job.model,
        streamed=job.streamed,
        accepted_at=job.accepted_at.timestamp(),
        deadline=job.deadline.timestamp(),
        appended_at=record.timestamp / 1000,
    )


def _ending(record: ConsumerRecord) -> Ending:
    ended = JobEnded.model_validate_json(record.value)
    return Ending(
        place=_place(record),
        job=ended.job_id,
        status=ended.status,
        epoch=ended.epoch,
        text=_text(ended.response),
        content=record.value,
        error=f"{ended.error.code}: {ended.error.message}" if ended.error else None,
        appended_at=record.timestamp / 1000,
    )


def _text(response: JsonObject | None) -> str:
    """Of the first choice."""
    match response:
        case {"choices": [{"message": {"content": str(text)}}, *_]}:
            return text
        case _:
            return ""


def _place(record: ConsumerRecord) -> Place:
    return Place(record.topic, record.partition, record.offset)
