"""How do batches come in? FastStream's batch subscriber, told to hand over the client's records as they are.

Its own batch parser decodes every header of every record twice, which costs more than all the rest, and a header that
is not UTF-8 would take a whole batch with it. What a batch contains is committed only when it has been recorded, by
explicit offsets: FastStream's acknowledgement commits whatever position the consumer has.

Records are taken in portions and wait, read, until what is written before them is written: then all that wait make the
next batch. So PostgreSQL never waits for records to be read, and the busier it is, the larger the batches are.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from faststream.kafka import KafkaBroker, KafkaMessage
from faststream.kafka.message import FAKE_CONSUMER
from faststream.middlewares import AckPolicy

from services.accounting.consumption.commits import Commits, ended
from services.accounting.ports import AwayError, Consumed, Place, Reach, Record
from shared.groups import member_id_of
from shared.kafka import REBALANCE_MS

__all__ = ["Intake", "Source"]

log = structlog.get_logger("accounting")

_DAY_MS: Final = 86_400_000
"""A batch waits for PostgreSQL as long as it takes, and the consumer stays in its group."""

_HEARTBEAT_MS: Final = 1000
"""A member learns with its next heartbeat that the group is being dealt anew; until then everybody waits for it."""

_IDLE_MS: Final = 250
_GATHER_MS: Final = 200
_GATHER_BYTES: Final = 65_536
"""Kafka answers when so much has come together, or after so long: a transaction of few rows costs as much as one of
many, and nobody waits for a row."""

_PORTION: Final = 2000
"""Kafka's client unpacks as many records at a stretch: whoever has something to send meanwhile waits."""

_LAG_SECONDS: Final = 5

B = TypeVar("B")
"""A portion that was read."""

Read = Callable[[Sequence[Record]], Awaitable[B]]
Write = Callable[[Sequence[B]], Awaitable[Consumed]]
"""Afterwards a batch of portions is recorded, and it says up to where."""


@dataclass(frozen=True, slots=True)
class Source:
    name: str
    topics: tuple[str, ...]
    group: str
    batch_records: int
    """At most so many are written at once, and so many more wait meanwhile."""
    session_seconds: float = 6.0


class Intake(Generic[B]):
    """One kind of record, batch by batch: while one is written into the database, the next comes together."""

    def __init__(self, broker: KafkaBroker, source: Source, read: Read[B], write: Write[B]) -> None:
        self.fault: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Fails when a batch could not be recorded for a reason nobody foresaw. Nothing is taken after that."""
        self.group = source.group
        self._topics = source.topics
        self._read = read
        self._write = write
        self._portion = min(_PORTION, source.batch_records)
        self._most_waiting = source.batch_records - self._portion
        self._waiting: list[B] = []
        self._waiting_records = 0
        self._in_hand = 0
        self._busy_since: float | None = None
        self._writing: asyncio.Task[None] | None = None
        self._commits = Commits(source.group, self._consumer)
        self._taken = asyncio.Event()
        self._closed = False
        self._subscriber = broker.subscriber(
            *source.topics,
            group_id=source.group,
            batch=True,
            max_records=self._portion,
            batch_timeout_ms=_IDLE_MS,
            fetch_min_bytes=_GATHER_BYTES,
            fetch_max_wait_ms=_GATHER_MS,
            ack_policy=AckPolicy.MANUAL,
            auto_offset_reset="earliest",
            max_poll_interval_ms=_DAY_MS,
            session_timeout_ms=int(source.session_seconds * 1000),
            heartbeat_interval_ms=_HEARTBEAT_MS,
            rebalance_timeout_ms=REBALANCE_MS,
            parser=_as_it_is,
            decoder=_records,
        )
        self._subscriber(self._handle)

    @property
    def busy_seconds(self) -> float:
        """How long the batch in hand has been in hand."""
        return 0.0 if self._busy_since is None else time.monotonic() - self._busy_since

    @property
    def member_id(self) -> str:
        """As Kafka knows this consumer; empty while it does not."""
        return member_id_of(self._consumer())

    async def behind(self) -> int:
        """How many records of this consumer's partitions are not recorded yet. Raises KafkaError or TimeoutError."""
        consumer = self._consumer()
        async with asyncio.timeout(_LAG_SECONDS):
            ends: dict[TopicPartition, int] = await consumer.end_offsets(consumer.assignment())
            waiting: list[int] = [end - await consumer.position(partition) for partition, end in ends.items()]
        return sum(waiting) + self._in_hand

    async def reach(self) -> Mapping[Place, Reach]:
        """Of every partition of its topics, whoever has it. Raises AwayError."""
        consumer = self._consumer()
        try:
            partitions = [
                TopicPartition(topic, number)
                for topic in self._topics
                for number in consumer.partitions_for_topic(topic) or ()
            ]
            async with asyncio.timeout(_LAG_SECONDS):
                first: dict[TopicPartition, int] = await consumer.beginning_offsets(partitions)
                ends: dict[TopicPartition, int] = await consumer.end_offsets(partitions)
        except (KafkaError, IllegalStateError, TimeoutError) as error:
            raise AwayError(f"Kafka: {error!r}") from error
        if {partition.topic for partition in ends} != set(self._topics):
            raise AwayError("Kafka has not told of all topics yet")
        return {Place(*partition): Reach(first[partition], end) for partition, end in ends.items()}

    async def close(self, within_seconds: float) -> None:
        """Take nothing more. What is being written then has so long to end; else it is read again at the next start."""
        self._closed = True
        self._taken.set()
        await ended(self._writing, within_seconds)
        await self._commits.close(within_seconds)

    @property
    def _is_over(self) -> bool:
        return self._closed or self.fault.done()

    async def _handle(self, records: Sequence[ConsumerRecord]) -> None:
        """Returns when there is room for more."""
        if self._is_over:
            return
        self._in_hand += len(records)
        try:
            read = await self._read(records)
        except Exception as error:  # noqa: BLE001 - told by the fault, which ends the process
            self._fail(error)
            return
        self._waiting.append(read)
        self._waiting_records += len(records)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_waiting(), name=f"write {self.group}")
        while self._waiting_records > self._most_waiting and not self._is_over:
            self._taken.clear()
            await self._taken.wait()

    async def _write_waiting(self) -> None:
        """All that wait, and all that have come to wait meanwhile. Never raises."""
        while self._waiting and not self._is_over:
            batch, count = self._waiting, self._waiting_records
            self._waiting, self._waiting_records = [], 0
            self._taken.set()
            consumed = await self._recorded(batch)
            if consumed is None:
                return
            self._in_hand -= count
            self._commits.tell(consumed)  # and meanwhile the next batch is written

    async def _recorded(self, batch: Sequence[B]) -> Consumed | None:
        """None when it could not be, for a reason nobody foresaw."""
        self._busy_since = time.monotonic()
        try:
            return await self._write(batch)
        except Exception as error:  # noqa: BLE001 - told by the fault, which ends the process
            # Nothing may be recorded behind it: a later commit would cover this one.
            self._fail(error)
            return None
        finally:
            self._busy_since = None

    def _fail(self, error: Exception) -> None:
        if not self.fault.done():
            self.fault.set_exception(error)
        self._taken.set()

    def _consumer(self) -> AIOKafkaConsumer:
        consumer = self._subscriber.consumer
        if consumer is None:
            raise RuntimeError("the broker has not been started")
        return consumer


async def _as_it_is(records: tuple[ConsumerRecord, ...]) -> KafkaMessage:
    return KafkaMessage(raw_message=records, body=b"", consumer=FAKE_CONSUMER)


async def _records(message: KafkaMessage) -> tuple[ConsumerRecord, ...]:
    return message.raw_message
