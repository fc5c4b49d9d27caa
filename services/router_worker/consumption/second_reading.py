"""Reads single records again, whose place in the line was kept in memory and whose content was not.

A consumer of its own, outside the group, opened at the first need. Tenants' records go roughly in the order of the log,
so a read mostly goes on where the last one of its partition ended; it is far behind or ahead that costs a fetch.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from shared.kafka import let_go

__all__ = ["SecondReading"]

log = structlog.get_logger("consumption")

_NEAR: Final = 500
"""So many records are rather skipped than jumped over."""
_PATIENCE_MS: Final = 2000
_PAUSE_SECONDS: Final = 0.5


class SecondReading:
    def __init__(self, new_consumer: Callable[[], AIOKafkaConsumer]) -> None:
        self._new_consumer = new_consumer
        self._consumer: AIOKafkaConsumer | None = None
        self._places: dict[TopicPartition, int] = {}
        """The offset that each partition would give next."""
        self._turn = asyncio.Lock()

    async def read(self, partition: TopicPartition, offset: int) -> ConsumerRecord | None:
        """The record, or None when the log no longer has it. Waits as long as the broker is away."""
        async with self._turn:
            while True:
                try:
                    return await self._read(await self._open(partition), partition, offset)
                except (KafkaError, IllegalStateError, TimeoutError) as error:
                    log.warning("second_reading_waits", partition=str(partition), offset=offset, reason=repr(error))
                    await self.close()
                    await asyncio.sleep(_PAUSE_SECONDS)

    async def close(self) -> None:
        consumer, self._consumer = self._consumer, None
        self._places.clear()
        if consumer is not None:
            await let_go(consumer.stop(), within_seconds=_PATIENCE_MS / 1000)

    async def _open(self, partition: TopicPartition) -> AIOKafkaConsumer:
        if self._consumer is None:
            consumer = self._new_consumer()
            try:
                await consumer.start()
            except BaseException:
                await let_go(consumer.stop(), within_seconds=_PATIENCE_MS / 1000)
                raise
            self._consumer = consumer
        if partition not in self._places:
            self._places[partition] = 0
            self._consumer.assign(list(self._places))
            # An assignment forgets where each partition was; before anything is fetched they are put back.
            for each, place in self._places.items():
                self._consumer.seek(each, place)
        return self._consumer

    async def _read(self, consumer: AIOKafkaConsumer, partition: TopicPartition, offset: int) -> ConsumerRecord | None:
        if not self._places[partition] <= offset < self._places[partition] + _NEAR:
            consumer.seek(partition, offset)
            self._places[partition] = offset
        while True:
            skipped = offset - self._places[partition]
            got = await consumer.getmany(partition, timeout_ms=_PATIENCE_MS, max_records=skipped + 1)
            records = got.get(partition)
            if not records:
                raise TimeoutError(f"nothing came within {_PATIENCE_MS} ms")
            self._places[partition] = records[-1].offset + 1
            if records[-1].offset >= offset:
                return next((record for record in records if record.offset == offset), None)
