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
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from faststream.kafka.subscriber.usecase import DefaultSubscriber

from services.router_worker.consumption.commits import Commits
from services.router_worker.consumption.delivery import Acknowledgement, Delivery, current_delivery
from services.router_worker.consumption.intake import fair_share, rotated
from services.router_worker.consumption.membership import Membership
from services.router_worker.consumption.offset_ledger import OffsetLedger
from services.router_worker.consumption.slots import Slots
from services.router_worker.ports import IntakeMeasures, Seat
from services.router_worker.settings import OnStop

__all__ = ["Intake", "WatermarkSubscriber"]

log = structlog.get_logger("consumption")

Batch = dict[TopicPartition, list[ConsumerRecord]]

_MEASURE_SECONDS: Final = 5.0


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
    on_stop: OnStop = OnStop.LEAVE


class WatermarkSubscriber(DefaultSubscriber):
    def __init__(
        self,
        intake: Intake,
        commits: Commits,
        seat: Seat,
        measures: IntakeMeasures,
        *faststream: Any,  # noqa: ANN401 - handed on
    ) -> None:
        super().__init__(*faststream)
        self._intake = intake
        self._commits = commits
        self._seat = seat
        self._member: Membership | None = None
        self._measures = measures
        self.slots = Slots(intake.slots)
        self._sought: dict[TopicPartition, int] = {}
        self._deliveries: set[asyncio.Task[None]] = set()
        self._gate = asyncio.Event()
        self._gate.set()
        self._dirty = asyncio.Event()
        self._joined = False
        self._turn = 0
        self.behind = 0
        """Records of our partitions that have not been delivered, when it was last asked."""
        self._polled_at = time.monotonic()

    @property
    def builder(self) -> Callable[..., AIOKafkaConsumer]:
        return self._build

    def _build(self, **options: Any) -> AIOKafkaConsumer:  # noqa: ANN401 - handed on
        consumer = super().builder(**options, group_instance_id=self._seat.name)
        self._member = Membership(consumer)
        return consumer

    async def start(self) -> None:
        await super().start()
        self.add_task(self._keep_committing)
        self.add_task(self._keep_measuring)

    @property
    def running_jobs(self) -> int:
        """Records that are not done with, those that wait for another worker included."""
        return len(self._deliveries)

    @property
    def waiting_jobs(self) -> int:
        """Records that were delivered and have no slot yet: none, as no more are taken than there are slots."""
        return 0

    def spans(self) -> dict[TopicPartition, int]:
        """How far deliveries of each partition have run ahead of its watermark."""
        return {partition: ledger.span for partition, ledger in self._commits.ledgers()}

    def ages(self) -> dict[TopicPartition, float]:
        """Seconds since the oldest unfinished record of each partition was delivered; 0 where none is unfinished."""
        now = time.monotonic()
        return {
            partition: 0.0 if ledger.oldest is None else now - ledger.oldest
            for partition, ledger in self._commits.ledgers()
        }

    @property
    def poll_age(self) -> float:
        """Seconds since Kafka was asked for records. It is not asked while no slot is free."""
        return time.monotonic() - self._polled_at

    @property
    def member_id(self) -> str:
        """As Kafka knows this consumer; empty while it does not."""
        return self._member.member_id if self._member is not None else ""

    @property
    def assigned(self) -> bool:
        """Whether this consumer takes part in its group."""
        return self._joined and self._gate.is_set()

    # --- intake ---

    async def get_msg(self, consumer: AIOKafkaConsumer) -> Batch | None:
        """The next records, fairly over the partitions that have room, never more than there are free slots."""
        await self.slots.room()
        await self._gate.wait()
        self._polled_at = time.monotonic()
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
        ledger = self._commits.ledger(partition)
        return ledger is None or ledger.span < self._intake.window

    async def consume_one(self, msg: Batch) -> None:
        await self._gate.wait()
        if self.consumer is None:
            return
        for partition, records in msg.items():
            ledger = self._commits.ledger(partition)
            if ledger is None or partition not in self.consumer.assignment():
                continue  # lost meanwhile: whoever has it now gets them from the committed offset
            if self._out_of_step(self.consumer, partition, ledger, records[0].offset):
                continue
            now = time.monotonic()
            for record in records:
                if ledger.admit(record.offset, now):
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
        record.consumer = Acknowledgement(delivery)
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
        if self.consumer is not None and not await self._commits.tell(self.consumer):
            self._dirty.set()

    async def _keep_measuring(self) -> None:
        while True:
            await self._gate.wait()
            if self.consumer is not None:
                try:
                    async with asyncio.timeout(_MEASURE_SECONDS):
                        self.behind = await self._commits.behind(self.consumer)
                except (KafkaError, IllegalStateError, TimeoutError) as error:
                    log.info("lag_unknown", topic=self._intake.topic, reason=repr(error))
            await asyncio.sleep(_MEASURE_SECONDS)

    # --- rebalances ---

    async def on_revoked(self) -> None:
        await self._commit()
        self._gate.clear()
        self.rename(await self._seat.confirm())

    def rename(self, name: str | None) -> None:
        """Join under this name from now on, or under none."""
        if self._member is None:
            return
        if name is None:
            self._member.forget_name()
        else:
            self._member.recall_name(name)

    async def on_assigned(self, assigned: set[TopicPartition]) -> None:
        self._measures.rebalanced()
        self._sought.clear()
        if self.consumer is None:
            return
        try:
            await self._commits.adopt(self.consumer, assigned)
        except (KafkaError, TimeoutError) as error:
            # The gate stays shut: records are not admitted without a ledger that knows where to begin.
            log.warning("assignment_not_understood", topic=self._intake.topic, reason=repr(error))
            return
        self._joined = True
        self._gate.set()
        self._dirty.set()
        log.info("partitions_assigned", topic=self._intake.topic, partitions=sorted(tp.partition for tp in assigned))

    # --- stop ---

    async def stop(self) -> None:
        """Leave the group first, so that others go on at once; then finish what runs here, within the drain time."""
        consumer = self.consumer
        if consumer is not None:
            for task in self.tasks:
                task.cancel()
            await self._commit()
            if self._intake.on_stop is OnStop.LEAVE and self._member is not None:
                self._member.forget_name()
            self.consumer = None
            await consumer.stop()
        if self._deliveries:
            await asyncio.wait(self._deliveries, timeout=self._intake.drain_seconds)
        for delivery in self._deliveries:
            delivery.cancel()
        if self._deliveries:
            await asyncio.wait(self._deliveries, timeout=5)
        await super().stop()
