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
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from faststream.kafka.subscriber.usecase import DefaultSubscriber

from services.router_worker.consumption.deliveries import Deliveries
from services.router_worker.consumption.lane import Intake, Parts
from services.router_worker.consumption.membership import Membership
from services.router_worker.consumption.polling import Batch, FairPolling, SecondLook
from services.router_worker.consumption.second_reading import SecondReading
from services.router_worker.consumption.vigil import Vigil
from services.router_worker.consumption.waiting_room import Ticket, WaitingRoom
from services.router_worker.settings import OnStop
from shared.clock import utc_now
from shared.kafka import until_begun

__all__ = ["WatermarkSubscriber"]

log = structlog.get_logger("consumption")

_LONGEST_POLL_SECONDS: Final = 10.0
"""Kafka is asked about once a second, even when every window is full."""
_POLL_SECONDS: Final = 1.0
_REREAD_BYTES: Final = 131_072


class WatermarkSubscriber(DefaultSubscriber):
    def __init__(self, intake: Intake, parts: Parts, *faststream: Any) -> None:  # noqa: ANN401 - handed on
        super().__init__(*faststream)
        self._intake = intake
        self._parts = parts
        self._member: Membership | None = None
        self.commits = parts.commits
        self.vigil = Vigil(self, parts.measures, intake.group, intake.patience)
        self._vigil: asyncio.Task[None] | None = None
        self.room = WaitingRoom(intake.slots, intake.weights, intake.weigh, utc_now, intake.crowds)
        self.slots = self.room.slots
        self._deliveries = Deliveries(self.room, SecondReading(self._new_reader), self.consume, self._finished)
        self._second_look = SecondLook()
        self._settled = asyncio.Event()
        """Our partitions are known."""
        self._gate = asyncio.Event()
        """Records may begin to run."""
        self.halted: str | None = None
        """Why nothing is taken any more, until a restart."""
        self._dirty = asyncio.Event()
        self._moved = asyncio.Event()  # a window may have room again
        self._adopting: asyncio.Task[Any] | None = None
        self._joined = False
        self._polling = FairPolling()
        self.behind = 0
        """Records of our partitions that have not been delivered, when it was last asked."""
        self._polled_at = time.monotonic()

    @property
    def builder(self) -> Callable[..., AIOKafkaConsumer]:
        return self._build

    def _build(self, **options: Any) -> AIOKafkaConsumer:  # noqa: ANN401 - handed on
        consumer = super().builder(**options, group_instance_id=self._parts.seat.name)
        self._member = Membership(consumer)
        return consumer

    async def start(self) -> None:
        """Waits as long as Kafka is away."""
        await until_begun(self._begin, self._undo)
        self._vigil = asyncio.create_task(self.vigil.run(), name=f"vigil over {self._intake.group}")

    async def _begin(self) -> None:
        await super().start()
        self.add_task(self._deliveries.run, (self._gate,))
        self.add_task(self._keep_committing)

    @property
    def running_jobs(self) -> int:
        """Records that are not done with, those that wait for another worker included."""
        return len(self._deliveries)

    @property
    def oldest_job(self) -> float:
        """Seconds that the job which has run longest has run."""
        return self._deliveries.oldest_seconds

    @property
    def poll_age(self) -> float:
        """Seconds since Kafka was asked for records."""
        return time.monotonic() - self._polled_at

    @property
    def member_id(self) -> str:
        """As Kafka knows this consumer; empty while it does not."""
        return self._member.id if self._member is not None else ""

    @property
    def unsettled(self) -> str | None:
        """Why nothing is taken from Kafka now; None when this consumer takes part in its group."""
        if not self._joined:
            return "has not joined its group yet"
        return None if self._settled.is_set() else "its partitions are being dealt anew"

    def halt(self, why: str) -> None:
        """Begin nothing any more. What runs goes on; the partitions stay: elsewhere it would be the same."""
        log.error("consumption_halted", group=self._intake.group, why=why)
        self.halted = why
        self._gate.clear()

    # --- intake ---

    async def get_msg(self, consumer: AIOKafkaConsumer) -> Batch | None:
        """The next records, fairly over the partitions whose window has room, whether a slot is free or not."""
        await self._gate.wait()
        self._polled_at = time.monotonic()
        open_partitions = sorted(tp for tp in consumer.assignment() if self._has_window(tp))
        if not open_partitions:
            await self._until_moved()
            return None
        return await self._polling.poll(consumer, open_partitions)

    async def _until_moved(self) -> None:
        """Nothing is assigned, or every window is full."""
        self._moved.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(_POLL_SECONDS):
                await self._moved.wait()

    def _has_window(self, partition: TopicPartition) -> bool:
        ledger = self.commits.ledger(partition)
        return ledger is None or ledger.span < self._intake.window

    async def consume_one(self, msg: Batch) -> None:
        await self._gate.wait()
        if self.consumer is None:
            return
        for partition, records in msg.items():
            ledger = self.commits.ledger(partition)
            if ledger is None or partition not in self.consumer.assignment():
                continue  # lost meanwhile: whoever has it now gets them from the committed offset
            if self._second_look.is_taken(self.consumer, partition, ledger.next_offset, records[0].offset):
                continue
            now = time.monotonic()
            for record in records:
                if ledger.admit(record.offset, now):
                    self.room.admit(partition, record, ledger)
        await asyncio.sleep(0)  # a backlog is read without ever waiting: let the others of this loop have their turn

    def _is_ours(self, ticket: Ticket) -> bool:
        ledger = self.commits.ledger(ticket.partition)
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
            await self._settled.wait()
            await self._commit(self.commits.tell)
            await asyncio.sleep(self._intake.commit_seconds)

    async def _commit(self, tell: Callable[[AIOKafkaConsumer], Awaitable[bool]]) -> None:
        if self.consumer is not None and not await tell(self.consumer):
            self._dirty.set()

    # --- progress: what the vigil watches ---

    async def ask(self) -> bool:
        if self.consumer is not None:
            self.behind = await self.commits.behind(self.consumer)
        return await self._parts.register.lists(self.member_id)

    @property
    def is_dead(self) -> bool:
        return self._member is None or self._member.is_dead

    def ailment(self) -> str | None:
        if self._member is not None:
            self._member.check()
        if self._gate.is_set() and self.poll_age > _LONGEST_POLL_SECONDS:
            return f"has not asked for records for {self.poll_age:.0f} s"
        return self.unsettled

    async def rebuild(self) -> None:
        await self._undo()
        await self._begin()

    async def _undo(self) -> None:
        for task in self.tasks:
            task.cancel()
        self.tasks.clear()
        self._shut()
        if self._member is not None:
            await self._member.end()

    # --- rebalances ---

    async def on_revoked(self) -> None:
        await self._commit(self.commits.let_go)
        self._shut()
        self.rename(await self._parts.seat.confirm())

    def _shut(self) -> None:
        if self._adopting is not None:
            self._adopting.cancel()
        self._settled.clear()
        self._gate.clear()

    def rename(self, name: str | None) -> None:
        """Join under this name from now on, or under none."""
        if self._member is not None:
            self._member.rename(name)

    async def on_assigned(self, assigned: set[TopicPartition]) -> None:
        self._parts.measures.rebalanced()
        self._second_look.begin_anew()
        if self.consumer is not None and not await self._adopt(self.consumer, assigned):
            self.add_task(self._adopt_late, (self.consumer, assigned), restart_on_failure=False)
            self._adopting = self.tasks[-1]

    async def _adopt_late(self, consumer: AIOKafkaConsumer, assigned: set[TopicPartition]) -> None:
        """Until a slow Kafka has told, or deals anew: in a rebalance all would wait for it, behind it nobody does."""
        adopted = False
        while not adopted:
            await asyncio.sleep(_POLL_SECONDS)
            adopted = await self._adopt(consumer, assigned)

    async def _adopt(self, consumer: AIOKafkaConsumer, assigned: set[TopicPartition]) -> bool:
        """False when Kafka did not tell where to begin: without that nothing is admitted."""
        try:
            await self.commits.adopt(consumer, assigned)
        except (KafkaError, TimeoutError) as error:
            log.warning("assignment_not_understood", group=self._intake.group, reason=repr(error))
            return False
        await self._commit(self.commits.tell)  # before anything runs here: this worker may die of it
        self.room.dismiss(lambda ticket: not self._is_ours(ticket))
        self._joined = True
        self._settled.set()
        if self.halted is None:
            self._gate.set()
        self._dirty.set()
        self._moved.set()
        log.info("partitions_assigned", group=self._intake.group, partitions=sorted(tp.partition for tp in assigned))
        return True

    # --- stop ---

    async def stop(self) -> None:
        """Leave the group first, so that others go on at once; then finish what runs here, within the drain time."""
        if self._vigil is not None:
            self._vigil.cancel()
            await asyncio.wait([self._vigil])
        for task in self.tasks:
            task.cancel()
        if self._member is not None:
            await self._commit(self.commits.let_go)
            if self._intake.on_stop is OnStop.LEAVE:
                self._member.rename(None)
            self.consumer = None
            await self._member.end()
        await self._deliveries.drain(self._intake.drain_seconds)
        await super().stop()
