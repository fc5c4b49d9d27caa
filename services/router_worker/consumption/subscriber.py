"""Consume jobs that last minutes and finish in any order, committing only what has ended, on top of FastStream.

Theory. The poll loop only admits: each record joins the waiting room, and becomes a task of its own when its turn
comes, which runs FastStream's whole pipeline (middlewares, decoding, acknowledgement). An acknowledgement marks the
record's offset in its partition's ledger; a committer writes the watermark and the bitmap above it on a timer, at a
revoke and at the stop. Rebalances are eager: a revoke takes everything, an assignment brings back what stays. Jobs of a
partition that moved go on here; their new owner shadows them.

Rules for editing.
- Nothing is admitted between a revoke and the end of `on_assigned`: aiokafka hands out records before it has returned.
- No waiting in the revoke callback: it is the whole group's gap.
- Never `pause()`: it throws the fetch buffer away. Poll the partitions that have room instead.
- Reading does not wait for slots: only a full window stops it, and only that partition.
- A ledger never jumps: a record beyond the expected offset seeks back once before it is believed.
- No commit while the group is joining, except the one inside the revoke callback, which the broker accepts.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from faststream.kafka.subscriber.usecase import DefaultSubscriber

from services.router_worker.consumption.commits import Commits
from services.router_worker.consumption.deliveries import Deliveries
from services.router_worker.consumption.intake import fair_share, rotated
from services.router_worker.consumption.lane import Intake
from services.router_worker.consumption.membership import Membership
from services.router_worker.consumption.offset_ledger import OffsetLedger
from services.router_worker.consumption.second_reading import SecondReading
from services.router_worker.consumption.slots import Slots
from services.router_worker.consumption.waiting_room import Ticket, WaitingRoom
from services.router_worker.ports import IntakeMeasures, Seat
from services.router_worker.settings import OnStop
from shared.clock import utc_now

__all__ = ["WatermarkSubscriber"]

log = structlog.get_logger("consumption")

Batch = dict[TopicPartition, list[ConsumerRecord]]

_MEASURE_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 1.0
_POLL_RECORDS: Final = 200
"""Read at once: a few milliseconds of work, so that nobody's stream stutters while a backlog is read."""
_REREAD_BYTES: Final = 131_072


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
        self._room = WaitingRoom(intake.slots, intake.weights, intake.weigh, utc_now)
        self._deliveries = Deliveries(self._room, SecondReading(self._new_reader), self.consume, self._finished)
        self._sought: dict[TopicPartition, int] = {}
        self._gate = asyncio.Event()
        self._gate.set()
        self._dirty = asyncio.Event()
        self._moved = asyncio.Event()
        """A window may have room again."""
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
        self.add_task(self._deliveries.run, (self._gate,))
        self.add_task(self._keep_committing)
        self.add_task(self._keep_measuring)

    @property
    def running_jobs(self) -> int:
        """Records that are not done with, those that wait for another worker included."""
        return len(self._deliveries)

    @property
    def waiting_jobs(self) -> int:
        """Records that were read and have no slot yet."""
        return len(self._room)

    @property
    def oldest_job(self) -> float:
        """Seconds that the job which has run longest has run."""
        return self._deliveries.oldest_seconds

    @property
    def slots(self) -> Slots:
        return self._room.slots

    def spans(self) -> dict[TopicPartition, int]:
        """How far deliveries of each partition have run ahead of its watermark."""
        return {partition: ledger.span for partition, ledger in self._commits.ledgers()}

    def ages(self) -> dict[TopicPartition, float]:
        """Seconds since the oldest unfinished record of each partition was read; 0 where none is unfinished."""
        now = time.monotonic()
        return {
            partition: 0.0 if ledger.oldest is None else now - ledger.oldest
            for partition, ledger in self._commits.ledgers()
        }

    @property
    def poll_age(self) -> float:
        """Seconds since Kafka was asked for records."""
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
        """The next records, fairly over the partitions whose window has room, whether a slot is free or not."""
        await self._gate.wait()
        self._polled_at = time.monotonic()
        open_partitions = sorted(tp for tp in consumer.assignment() if self._has_window(tp))
        if not open_partitions:
            await self._until_moved()
            return None
        self._turn += 1
        room = _POLL_RECORDS
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
        batch.update(await consumer.getmany(*open_partitions, timeout_ms=250, max_records=_POLL_RECORDS))
        return batch

    async def _until_moved(self) -> None:
        """Nothing is assigned, or every window is full."""
        self._moved.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(_POLL_SECONDS):
                await self._moved.wait()

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
                    self._room.admit(record, ledger)
        await asyncio.sleep(0)  # a backlog is read without ever waiting: let the others of this loop have their turn

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

    def _is_ours(self, ticket: Ticket) -> bool:
        ledger = self._commits.ledger(ticket.partition)
        return ledger is ticket.ledger and ledger.is_pending(ticket.offset)

    def _new_reader(self) -> AIOKafkaConsumer:
        return super().builder(
            group_id=None,
            client_id=self.client_id,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=_REREAD_BYTES,
        )

    # --- commits ---

    def _finished(self) -> None:
        self._dirty.set()
        self._moved.set()

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
                    log.info("lag_unknown", group=self._intake.group, reason=repr(error))
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
            log.warning("assignment_not_understood", group=self._intake.group, reason=repr(error))
            return
        self._room.dismiss(lambda ticket: not self._is_ours(ticket))
        self._joined = True
        self._gate.set()
        self._dirty.set()
        self._moved.set()
        log.info("partitions_assigned", group=self._intake.group, partitions=sorted(tp.partition for tp in assigned))

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
        await self._deliveries.drain(self._intake.drain_seconds)
        await super().stop()
