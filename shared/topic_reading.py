"""How are whole topics read? From a moment on, up to their end or for ever; never as a group."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from shared.clock import unix_ms
from shared.kafka_access import KafkaAccess

__all__ = [
    "MissingTopicError",
    "Reading",
    "Span",
    "Told",
    "Visitor",
    "all_places",
    "partitions_of",
    "reading",
    "spans_of",
]

_REQUEST_MS: Final = 10_000
_POLL_MS: Final = 500
_MOST_RECORDS: Final = 500

Told = Callable[[], AbstractContextManager[None]]
"""Makes of what Kafka's client raises inside the block what the reader's people understand."""


class MissingTopicError(KafkaError):  # type: ignore[misc] # aiokafka is untyped
    """There is no such topic."""

    def __init__(self, topic: str) -> None:
        super().__init__(f"there is no topic {topic}")
        self.topic = topic


class Span(NamedTuple):
    """What a partition holds: from the first offset it keeps to before the next it will give."""

    first: int
    next: int


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who goes to Kafka, and how."""

    access: KafkaAccess
    client_id: str

    @asynccontextmanager
    async def admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        async with AsyncExitStack() as closing:
            admin = AIOKafkaAdminClient(
                **self.access.client(), client_id=self.client_id, request_timeout_ms=_REQUEST_MS
            )
            closing.push_async_callback(admin.close)
            await admin.start()
            yield admin

    @asynccontextmanager
    async def consumer(self) -> AsyncIterator[AIOKafkaConsumer]:
        """Of no group, and with nothing assigned yet."""
        async with AsyncExitStack() as closing:
            consumer = AIOKafkaConsumer(
                **self.access.client(),
                client_id=self.client_id,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                request_timeout_ms=_REQUEST_MS,
            )
            closing.push_async_callback(consumer.stop)
            await consumer.start()
            yield consumer


async def partitions_of(admin: AIOKafkaAdminClient, topics: Sequence[str]) -> Mapping[str, int]:
    """How many partitions each has; a topic that does not exist is not in it."""
    present = set(await admin.list_topics()) & set(topics)
    if not present:
        return {}
    described = await admin.describe_topics(sorted(present))
    return {found["topic"]: len(found["partitions"]) for found in described}


def all_places(partitions: Mapping[str, int]) -> list[TopicPartition]:
    """Every partition, of topics with so many each."""
    return [TopicPartition(topic, number) for topic, count in partitions.items() for number in range(count)]


async def spans_of(consumer: AIOKafkaConsumer, places: Sequence[TopicPartition]) -> Mapping[TopicPartition, Span]:
    """What each of these partitions holds now."""
    if not places:
        return {}
    first, after = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
    return {place: Span(first[place], after[place]) for place in places}


@dataclass(frozen=True, slots=True)
class Reading:
    """Topics that stand open, each partition at the place where reading begins."""

    consumer: AIOKafkaConsumer
    spans: Mapping[TopicPartition, Span]
    """As they were when it was opened."""
    told: Told

    async def records(self) -> AsyncIterator[ConsumerRecord]:
        """For ever, as they come. What reads this sets the time limit."""
        while True:
            for batch in (await self._some()).values():
                for record in batch:
                    yield record

    async def records_so_far(self) -> AsyncIterator[ConsumerRecord]:
        """Up to where the topics ended when they were opened."""
        while await self._is_behind():
            for partition, batch in (await self._some()).items():
                for record in batch:
                    if record.offset < self.spans[partition].next:
                        yield record

    async def reaches_back(self) -> bool:
        """Whether nothing that was there is gone by now: asked before anything is read."""
        with self.told():
            places = {place: await self.consumer.position(place) for place in self.spans}
        return not any(0 < span.first == places[place] for place, span in self.spans.items())

    async def _some(self) -> Mapping[TopicPartition, Sequence[ConsumerRecord]]:
        with self.told():
            found: Mapping[TopicPartition, Sequence[ConsumerRecord]] = await self.consumer.getmany(
                timeout_ms=_POLL_MS, max_records=_MOST_RECORDS
            )
        return found

    async def _is_behind(self) -> bool:
        # The position passes what a transaction or a compaction left out; the last record seen would not.
        with self.told():
            places = await asyncio.gather(*(self.consumer.position(partition) for partition in self.spans))
        return any(place < span.next for place, span in zip(places, self.spans.values(), strict=True))


@asynccontextmanager
async def reading(
    visitor: Visitor, topics: Sequence[str], told: Told, *, since: datetime | None = None
) -> AsyncIterator[Reading]:
    """From the beginning, or from the first record at or after `since`. Raises what `told` makes of Kafka's errors.

    What goes wrong inside the block is not taken for Kafka's fault.
    """
    async with AsyncExitStack() as closing:
        with told():
            consumer = await closing.enter_async_context(visitor.consumer())
            spans = await _spans(consumer, visitor, topics)
            consumer.assign(list(spans))
            await _go_to(consumer, spans, since)
        yield Reading(consumer, spans, told)


async def _spans(consumer: AIOKafkaConsumer, visitor: Visitor, topics: Sequence[str]) -> Mapping[TopicPartition, Span]:
    async with visitor.admin() as admin:
        partitions = await partitions_of(admin, topics)
    for topic in topics:
        if topic not in partitions:
            raise MissingTopicError(topic)
    return await spans_of(consumer, all_places(partitions))


async def _go_to(consumer: AIOKafkaConsumer, spans: Mapping[TopicPartition, Span], since: datetime | None) -> None:
    moments = {} if since is None else await consumer.offsets_for_times(dict.fromkeys(spans, unix_ms(since)))
    for place, span in spans.items():
        found = moments.get(place)
        consumer.seek(place, span.first if since is None else found.offset if found else span.next)
