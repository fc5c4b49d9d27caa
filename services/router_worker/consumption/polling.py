"""How is Kafka asked for records? Fairly over the partitions (see `intake.py`), and twice for those that it skips."""

from collections.abc import Sequence
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from services.router_worker.consumption.intake import fair_share, rotated

__all__ = ["Batch", "FairPolling", "SecondLook"]

log = structlog.get_logger("consumption")

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


class SecondLook:
    """Records were skipped, or the log itself has a gap: it seeks back once before the gap is believed."""

    def __init__(self) -> None:
        self._sought: dict[TopicPartition, int] = {}

    def begin_anew(self) -> None:
        self._sought.clear()

    def is_taken(self, consumer: AIOKafkaConsumer, partition: TopicPartition, expected: int, first: int) -> bool:
        """Whether to leave these records, of which this is the first, for what comes from the expected one on."""
        if first <= expected or self._sought.get(partition) == expected:
            return False
        log.warning("sought_back", partition=partition.partition, expected=expected, delivered=first)
        self._sought[partition] = expected
        consumer.seek(partition, expected)
        return True
