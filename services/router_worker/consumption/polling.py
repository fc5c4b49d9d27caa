"""One round of asking Kafka for records, fair over the partitions (see `intake.py`)."""

from collections.abc import Sequence
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from services.router_worker.consumption.intake import fair_share, rotated

__all__ = ["Batch", "FairPolling"]

Batch = dict[TopicPartition, list[ConsumerRecord]]

_RECORDS: Final = 100
"""Read at once: a millisecond or two of work, so that nobody's stream stutters while a backlog is read."""
_WAIT_MS: Final = 250


class FairPolling:
    def __init__(self) -> None:
        self._turn = 0

    async def poll(self, consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition]) -> Batch:
        """What there is, else what comes within a moment. Raises KafkaError."""
        self._turn += 1
        room = _RECORDS
        batch: Batch = {}
        for place, partition in enumerate(rotated(partitions, self._turn)):
            share = fair_share(room, len(partitions) - place)
            if share == 0:
                break
            got = await consumer.getmany(partition, timeout_ms=0, max_records=share)
            for tp, records in got.items():
                batch[tp] = records
                room -= len(records)
        return batch or dict(await consumer.getmany(*partitions, timeout_ms=_WAIT_MS, max_records=_RECORDS))
