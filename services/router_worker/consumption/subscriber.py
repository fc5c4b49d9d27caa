"""Consume jobs that last minutes and finish in any order, committing only what has ended, on top of FastStream.

Theory. The poll loop only admits: each record becomes a task of its own that runs FastStream's whole pipeline
(middlewares, decoding, acknowledgement). An acknowledgement marks the record's offset in its partition's ledger; a
committer writes the watermark and the bitmap above it on a timer, at a revoke and at the stop. Rebalances are eager: a
revoke takes everything, an assignment brings back what stays. Jobs of a partition that moved go on here; their new
owner shadows them.

Rules for editing.
- Nothing is admitted between a revoke and the end of `on_assigned`: aiokafka hands out records before it has returned.
- No waiting in the revoke callback: it is the whole group's gap.
- Never `pause()`: it throws the fetch buffer away. Poll the partitions that have room instead.
- A ledger never jumps: a record beyond the expected offset seeks back once before it is believed.
- No commit while the group is joining, except the one inside the revoke callback, which the broker accepts.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata
from faststream._internal.endpoint.subscriber.call_item import CallsCollection
from faststream.kafka import KafkaBroker, KafkaMessage
from faststream.kafka.broker.registrator import KafkaRegistrator
from faststream.kafka.schemas import Topic
from faststream.kafka.subscriber.config import KafkaSubscriberConfig, KafkaSubscriberSpecificationConfig
from faststream.kafka.subscriber.specification import KafkaSubscriberSpecification
from faststream.kafka.subscriber.usecase import DefaultSubscriber
from faststream.middlewares import AckPolicy

from services.router_worker.consumption.delivery import Delivery, current_delivery
from services.router_worker.consumption.intake import fair_share, rotated
from services.router_worker.consumption.offset_ledger import OffsetLedger, Progress
from services.router_worker.consumption.slots import Slots

if TYPE_CHECKING:
    from faststream.kafka.configs import KafkaBrokerConfig

__all__ = ["CommittedOffsets", "Intake", "WatermarkSubscriber", "raw_value", "subscribe"]

log = structlog.get_logger("consumption")

Batch = dict[TopicPartition, list[ConsumerRecord]]

_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Intake:
    """How one lane is consumed."""

    topic: str
    group: str
    slots: int
    window: int = 2000
    """How far deliveries of a partition may run ahead of its watermark; bounds the replay after a crash."""
    commit_seconds: float = 0.25
    drain_seconds: float = 20.0
    session_timeout_ms: int = 10_000
    heartbeat_interval_ms: int = 1_000


class CommittedOffsets(Protocol):
    async def read(self, group: str, partitions: set[TopicPartition]) -> Mapping[TopicPartition, Progress]:
        """What the group has committed, metadata included; nothing for a partition without a commit.

        Waits until the broker answers. Raises KafkaError when it refuses.
        """
        ...


class _Acknowledgement:
    """What FastStream takes for the consumer: its `commit` marks one offset, its `seek` (a nack) leaves it pending."""

    __slots__ = ("_delivery",)

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery

    async def commit(self) -> None:
        self._delivery.finished = True

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Rewinding would repeat every job behind this one; a pending offset is redelivered to the next owner."""


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka is untyped
    subscriber: "WatermarkSubscriber"

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:  # noqa: ARG002 - eager: always all
        await self.subscriber.on_revoked()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        await self.subscriber.on_assigned(assigned)


class WatermarkSubscriber(DefaultSubscriber):
    def __init__(self, intake: Intake, committed: CommittedOffsets, *faststream: Any) -> None:  # noqa: ANN401 - handed on
        super().__init__(*faststream)
        self._intake = intake
        self._committed_offsets = committed
        self.slots = Slots(intake.slots)
        self._ledgers: dict[TopicPartition, OffsetLedger] = {}
        self._last_commit: dict[TopicPartition, Progress] = {}
        self._sought: dict[TopicPartition, int] = {}
        self._deliveries: set[asyncio.Task[None]] = set()
        self._gate = asyncio.Event()
        self._gate.set()
        self._dirty = asyncio.Event()
        self._joined = False
        self._turn = 0
        self.polled_at = time.monotonic()

    async def start(self) -> None:
        await super().start()
        self.add_task(self._keep_committing)

    @property
    def running_jobs(self) -> int:
        return len(self._deliveries)

    @property
    def uncommitted(self) -> int:
        """Records delivered here that are above their partition's watermark."""
        return sum(ledger.span for ledger in self._ledgers.values())

    @property
    def assigned(self) -> bool:
        """Whether this consumer takes part in its group."""
        return self._joined and self._gate.is_set()

    # --- intake ---

    async def get_msg(self, consumer: AIOKafkaConsumer) -> Batch | None:
        """The next records, fairly over the partitions that have room, never more than there are free slots."""
        await self.slots.room()
        await self._gate.wait()
        self.polled_at = time.monotonic()
        open_partitions = sorted(tp for tp in consumer.assignment() if self._has_window(tp))
        if not open_partitions:
            await asyncio.sleep(0.05)  # nothing assigned, or every window full: both end by an event elsewhere
            return None
        self._turn += 1
        room = self.slots.free
        batch: Batch = {}
        for place, partition in enumerate(rotated(open_partitions, self._turn)):
            share = fair_share(room, len(open_partitions) - place)
            if share == 0:
                break
            got = await consumer.getmany(partition, timeout_ms=0, max_records=share)
            for tp, records in got.items():
                batch[tp] = records
                room -= len(records)
        if batch:
            return batch
        batch.update(await consumer.getmany(*open_partitions, timeout_ms=250, max_records=self.slots.free))
        return batch

    def _has_window(self, partition: TopicPartition) -> bool:
        ledger = self._ledgers.get(partition)
        return ledger is None or ledger.span < self._intake.window

    async def consume_one(self, msg: Batch) -> None:
        await self._gate.wait()
        if self.consumer is None:
            return
        for partition, records in msg.items():
            ledger = self._ledgers.get(partition)
            if ledger is None or partition not in self.consumer.assignment():
                continue  # lost meanwhile: whoever has it now gets them from the committed offset
            if self._out_of_step(self.consumer, partition, ledger, records[0].offset):
                continue
            for record in records:
                if ledger.admit(record.offset):
                    self._launch(record, ledger)

    def _out_of_step(
        self, consumer: AIOKafkaConsumer, partition: TopicPartition, ledger: OffsetLedger, first: int
    ) -> bool:
        """Records were skipped, or the log itself has a gap: look once more before believing the gap."""
        expected = ledger.next_offset
        if first <= expected or self._sought.get(partition) == expected:
            return False
        log.warning("sought_back", partition=partition.partition, expected=expected, delivered=first)
        self._sought[partition] = expected
        consumer.seek(partition, expected)
        return True

    def _launch(self, record: ConsumerRecord, ledger: OffsetLedger) -> None:
        delivery = Delivery(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            key=record.key,
            value=record.value or b"",
            headers={name: value.decode("utf-8", "replace") for name, value in record.headers},
            slots=self.slots,
            slot=self.slots.take(),
        )
        record.consumer = _Acknowledgement(delivery)
        task = asyncio.create_task(self._deliver(record, delivery, ledger), name=f"{record.topic}@{record.offset}")
        self._deliveries.add(task)
        task.add_done_callback(self._deliveries.discard)

    async def _deliver(self, record: ConsumerRecord, delivery: Delivery, ledger: OffsetLedger) -> None:
        current_delivery.set(delivery)
        try:
            await self.consume(record)
        finally:
            delivery.slot.give_back()
        if delivery.finished:
            ledger.finish(delivery.offset)
            self._dirty.set()

    # --- commits ---

    async def _keep_committing(self) -> None:
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            await self._gate.wait()
            await self._commit()
            await asyncio.sleep(self._intake.commit_seconds)

    async def _commit(self) -> None:
        if self.consumer is None:
            return
        assigned = self.consumer.assignment()
        news = {
            partition: progress
            for partition, ledger in self._ledgers.items()
            if partition in assigned and (progress := ledger.progress()) != self._last_commit.get(partition)
        }
        if not news:
            return
        try:
            await self.consumer.commit({tp: OffsetAndMetadata(p.offset, p.metadata) for tp, p in news.items()})
        except (KafkaError, IllegalStateError) as error:
            # The generation is over or the broker away: what is not committed is repeated, and the claims absorb it.
            log.info("commit_refused", reason=repr(error))
            self._dirty.set()
            return
        self._last_commit.update(news)

    # --- rebalances ---

    async def on_revoked(self) -> None:
        await self._commit()
        self._gate.clear()

    async def on_assigned(self, assigned: set[TopicPartition]) -> None:
        for partition in self._ledgers.keys() - assigned:
            del self._ledgers[partition]
        self._last_commit.clear()
        self._sought.clear()
        await self._seed(assigned - self._ledgers.keys())
        self._joined = True
        self._gate.set()
        self._dirty.set()
        log.info("partitions_assigned", topic=self._intake.topic, partitions=sorted(tp.partition for tp in assigned))

    async def _seed(self, fresh: set[TopicPartition]) -> None:
        if not fresh or self.consumer is None:
            return
        committed = await self._committed_offsets.read(self._intake.group, fresh)
        beginnings = (
            await self.consumer.beginning_offsets(list(fresh - committed.keys())) if fresh - committed.keys() else {}
        )
        for partition in fresh:
            progress = committed.get(partition) or Progress(beginnings[partition], "")
            self._ledgers[partition] = OffsetLedger.resume(progress)

    # --- stop ---

    async def stop(self) -> None:
        """Leave the group first, so that others go on at once; then finish what runs here, within the drain time."""
        consumer = self.consumer
        if consumer is not None:
            for task in self.tasks:
                task.cancel()
            await self._commit()
            self.consumer = None
            await consumer.stop()
        if self._deliveries:
            await asyncio.wait(self._deliveries, timeout=self._intake.drain_seconds)
        for delivery in self._deliveries:
            delivery.cancel()
        if self._deliveries:
            await asyncio.wait(self._deliveries, timeout=5)
        await super().stop()


async def raw_value(message: KafkaMessage) -> bytes:
    """The decoder: what a record holds is for the handler to judge, so that a bad one is buried and not retried."""
    return message.body if isinstance(message.body, bytes) else b""


def subscribe(broker: KafkaBroker, intake: Intake, committed: CommittedOffsets) -> WatermarkSubscriber:
    """A subscriber of the broker's own kind, so that middlewares, telemetry and AsyncAPI stay."""
    listener = _Listener()
    outer = cast("KafkaBrokerConfig", broker.config)
    config = KafkaSubscriberConfig(
        topics=[Topic(intake.topic, declare=False)],
        group_id=intake.group,
        listener=listener,
        connection_args={
            "auto_offset_reset": "earliest",
            "partition_assignment_strategy": [StickyPartitionAssignor],
            "session_timeout_ms": intake.session_timeout_ms,
            "heartbeat_interval_ms": intake.heartbeat_interval_ms,
            "rebalance_timeout_ms": 30_000,
            "max_poll_interval_ms": _DAY_MS,  # the poll loop waits for free slots; liveness is watched by `polled_at`
        },
        no_reply=True,
        _outer_config=outer,
        _ack_policy=AckPolicy.NACK_ON_ERROR,
    )
    calls = CallsCollection[Any]()
    specification = KafkaSubscriberSpecification(
        _outer_config=outer,
        calls=calls,
        specification_config=KafkaSubscriberSpecificationConfig(
            topics=config.topics, title_=intake.topic, description_=None
        ),
    )
    subscriber = WatermarkSubscriber(intake, committed, config, specification, calls)
    listener.subscriber = subscriber
    super(KafkaRegistrator, broker).subscriber(subscriber)
    subscriber.add_call(parser_=None, decoder_=None, codec_=None, dependencies_=())
    return subscriber
