"""How does a command read from Kafka? Whole topics, from a moment on, up to their end or for ever; never as a group."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, NamedTuple

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError, KafkaError

from cli.environment import Known
from shared.clock import unix_ms
from shared.errors import OperatorError
from shared.kafka_access import KafkaAccess
from shared.settings import KafkaSettings, read_settings

__all__ = [
    "Reading",
    "Span",
    "access",
    "all_places",
    "new_admin",
    "new_consumer",
    "partitions_of",
    "reading",
    "spans_of",
    "told",
]

_REQUEST_MS: Final = 10_000
_POLL_MS: Final = 500
_MOST_RECORDS: Final = 500


class Span(NamedTuple):
    """What a partition holds: from the first offset it keeps to before the next it will give."""

    first: int
    next: int


@contextmanager
def told(kafka: Known) -> Iterator[None]:
    """What Kafka's client says becomes a sentence."""
    place = f"{kafka.value} ({kafka.source})"
    try:
        yield
    except KafkaConnectionError as error:
        raise OperatorError(
            f"Kafka does not answer at {place}: start the stack with `sluice up`, or set KAFKA_URL."
        ) from error
    except (KafkaError, OSError, ValueError) as error:
        raise OperatorError(f"Kafka at {place} says: {str(error) or type(error).__name__}") from error


def access(kafka: Known) -> KafkaAccess:
    """As whom to go there: the environment says it, as it does for the services. Raises OperatorError."""
    return replace(read_settings(KafkaSettings).kafka, url=kafka.value)


@asynccontextmanager
async def new_admin(kafka: Known) -> AsyncIterator[AIOKafkaAdminClient]:
    async with AsyncExitStack() as closing:
        admin = AIOKafkaAdminClient(**access(kafka).client(), client_id="sluice-cli", request_timeout_ms=_REQUEST_MS)
        closing.push_async_callback(admin.close)
        await admin.start()
        yield admin


@asynccontextmanager
async def new_consumer(kafka: Known) -> AsyncIterator[AIOKafkaConsumer]:
    """Of no group, and with nothing assigned yet."""
    async with AsyncExitStack() as closing:
        consumer = AIOKafkaConsumer(
            **access(kafka).client(),
            client_id="sluice-cli",
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

    kafka: Known
    consumer: AIOKafkaConsumer
    spans: Mapping[TopicPartition, Span]
    """As they were when it was opened."""

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

    async def _some(self) -> Mapping[TopicPartition, Sequence[ConsumerRecord]]:
        with told(self.kafka):
            found: Mapping[TopicPartition, Sequence[ConsumerRecord]] = await self.consumer.getmany(
                timeout_ms=_POLL_MS, max_records=_MOST_RECORDS
            )
        return found

    async def _is_behind(self) -> bool:
        # The position passes what a transaction or a compaction left out; the last record seen would not.
        with told(self.kafka):
            places = await asyncio.gather(*(self.consumer.position(partition) for partition in self.spans))
        return any(place < span.next for place, span in zip(places, self.spans.values(), strict=True))


@asynccontextmanager
async def reading(kafka: Known, topics: Sequence[str], *, since: datetime | None = None) -> AsyncIterator[Reading]:
    """From the beginning, or from the first record at or after `since`. Raises OperatorError.

    What goes wrong inside the block is not taken for Kafka's fault.
    """
    async with AsyncExitStack() as closing:
        with told(kafka):
            consumer = await closing.enter_async_context(new_consumer(kafka))
            spans = await _spans(consumer, kafka, topics)
            consumer.assign(list(spans))
            await _go_to(consumer, spans, since)
        yield Reading(kafka, consumer, spans)


async def _spans(consumer: AIOKafkaConsumer, kafka: Known, topics: Sequence[str]) -> Mapping[TopicPartition, Span]:
    async with new_admin(kafka) as admin:
        partitions = await partitions_of(admin, topics)
    for topic in topics:
        if topic not in partitions:
            raise OperatorError(
                f"There is no topic {topic} at {kafka.value} ({kafka.source}): create it with "
                "`sluice topics create`, or start the stack with `sluice up`."
            )
    return await spans_of(consumer, all_places(partitions))


async def _go_to(consumer: AIOKafkaConsumer, spans: Mapping[TopicPartition, Span], since: datetime | None) -> None:
    moments = {} if since is None else await consumer.offsets_for_times(dict.fromkeys(spans, unix_ms(since)))
    for place, span in spans.items():
        found = moments.get(place)
        consumer.seek(place, span.first if since is None else found.offset if found else span.next)
