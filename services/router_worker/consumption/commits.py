"""What of this consumer's partitions has ended, and what has the group been told of it?

A commit carries the watermark and the bitmap above it (see `offset_ledger.py`). What a refused commit did not say is
repeated by the next owner, and the claims absorb it.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final, Protocol

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata

from services.router_worker.consumption.offset_ledger import OffsetLedger, Progress
from services.router_worker.consumption.ports import IntakeMeasures

__all__ = ["Commits", "Register"]

log = structlog.get_logger("consumption")

_PATIENCE_SECONDS: Final = 5.0
"""Longest wait for an answer: in a rebalance the whole group waits, and this member sends no heartbeats."""
_PAUSE_SECONDS: Final = 0.1


class Register(Protocol):
    """What Kafka knows of a group. Each call waits until the broker answers, and raises KafkaError when it refuses."""

    async def lists(self, member: str) -> bool:
        """Whether the group has this member."""
        ...

    async def committed(self, partitions: set[TopicPartition]) -> Mapping[TopicPartition, Progress]:
        """What the group has committed, metadata included; nothing for a partition without a commit."""
        ...


class Commits:
    def __init__(self, group: str, register: Register, measures: IntakeMeasures) -> None:
        self._group = group
        self._register = register
        self._measures = measures
        self._ledgers: dict[TopicPartition, OffsetLedger] = {}
        self._told: dict[TopicPartition, Progress] = {}

    def ledger(self, partition: TopicPartition) -> OffsetLedger | None:
        """None while the partition is not ours."""
        return self._ledgers.get(partition)

    def spans(self) -> dict[TopicPartition, int]:
        """How far deliveries of each partition have run ahead of its watermark."""
        return {partition: ledger.span for partition, ledger in self._ledgers.items()}

    def ages(self) -> dict[TopicPartition, float]:
        """Seconds since the oldest unfinished record of each partition was read; 0 where none is unfinished."""
        now = time.monotonic()
        return {
            partition: 0.0 if ledger.oldest is None else now - ledger.oldest
            for partition, ledger in self._ledgers.items()
        }

    async def adopt(self, consumer: AIOKafkaConsumer, assigned: set[TopicPartition]) -> None:
        """Afterwards there is a ledger for each assigned partition and for no other.

        A partition that stays keeps its ledger, and learns what an owner in between has finished. Raises KafkaError or
        TimeoutError when Kafka does not tell in time.
        """
        for partition in self._ledgers.keys() - assigned:
            del self._ledgers[partition]
        self._told.clear()
        if not assigned:
            return
        async with asyncio.timeout(_PATIENCE_SECONDS):
            progress = await self._progress(consumer, assigned)
            fresh = [tp for tp, reached in progress.items() if tp not in self._ledgers and not reached.is_let_go]
            ends = await consumer.end_offsets(fresh) if fresh else {}
        for partition, reached in progress.items():
            if ledger := self._ledgers.get(partition):
                ledger.learn(reached)
            else:
                self._ledgers[partition] = OffsetLedger.resume(reached, ends.get(partition, 0))

    async def behind(self, consumer: AIOKafkaConsumer) -> int:
        """How many records of our partitions have not been delivered. Raises KafkaError."""
        ends: Mapping[TopicPartition, int] = await consumer.end_offsets(consumer.assignment())
        ledgers = [(self._ledgers.get(partition), end) for partition, end in ends.items()]
        return sum(max(0, end - ledger.next_offset) for ledger, end in ledgers if ledger is not None)

    async def tell(self, consumer: AIOKafkaConsumer) -> bool:
        """Commit what is new. False when it was refused: the generation is over, or the broker away."""
        return await self._tell(consumer, OffsetLedger.progress)

    async def let_go(self, consumer: AIOKafkaConsumer) -> bool:
        """As `tell`, and say that this owner of the partitions was alive when it lost them."""
        return await self._tell(consumer, OffsetLedger.last_progress)

    async def _tell(self, consumer: AIOKafkaConsumer, reached: Callable[[OffsetLedger], Progress]) -> bool:
        assigned = consumer.assignment()
        news = {
            partition: progress
            for partition, ledger in self._ledgers.items()
            if partition in assigned and (progress := reached(ledger)) != self._told.get(partition)
        }
        if not news:
            return True
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await consumer.commit({tp: OffsetAndMetadata(p.offset, p.metadata) for tp, p in news.items()})
        except (KafkaError, IllegalStateError, TimeoutError) as error:
            log.info("commit_refused", group=self._group, reason=repr(error))
            self._measures.committed("refused")
            return False
        self._told.update(news)
        self._measures.committed("done")
        return True

    async def _progress(
        self, consumer: AIOKafkaConsumer, assigned: set[TopicPartition]
    ) -> Mapping[TopicPartition, Progress]:
        """Asks again until it is told: while a coordinator moves or loads, it refuses for some milliseconds."""
        while True:
            try:
                committed = await self._register.committed(assigned)
                uncommitted = list(assigned - committed.keys())
                beginnings = await consumer.beginning_offsets(uncommitted) if uncommitted else {}
            except KafkaError as error:
                log.info("committed_offsets_unknown", group=self._group, reason=repr(error))
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                return {**{tp: Progress.untouched(offset) for tp, offset in beginnings.items()}, **committed}
