"""The queue of admitted jobs and the dead letters of `ports`, on the project's topics."""

from collections.abc import Callable

import structlog

from services.ingress.adapters.kafka_records import KafkaRecords
from services.ingress.ports import RecordTooLargeError
from shared.clock import Clock
from shared.contracts import DeadLetter, Job
from shared.placing import partition_for, topic_for
from shared.telemetry import Instruments, TraceContext
from shared.telemetry.metrics import DEAD_LETTERS as DEAD_LETTERS_METRIC
from shared.topics import DEAD_LETTERS

__all__ = ["KafkaDeadLetters", "KafkaJobQueue"]

log = structlog.get_logger()


class KafkaJobQueue:
    def __init__(
        self, records: KafkaRecords, topic_prefix: str, share: Callable[[str], int | None], clock: Clock
    ) -> None:
        """`share` says how many partitions of the batch lane a tenant has; None is all of them."""
        self._records = records
        self._prefix = topic_prefix
        self._share = share
        self._clock = clock

    async def put(self, job: Job, trace: TraceContext) -> None:
        topic = topic_for(job, self._clock())
        await self._records.send(
            topic.at(self._prefix),
            key=job.id.encode(),
            value=job.to_bytes(),
            headers=trace.headers(),
            place=lambda partitions: partition_for(job, topic, partitions, self._share(job.tenant)),
        )


class KafkaDeadLetters:
    def __init__(self, records: KafkaRecords, topic_prefix: str, instruments: Instruments) -> None:
        self._records = records
        self._topic = DEAD_LETTERS.at(topic_prefix)
        self._counted = instruments.counter(DEAD_LETTERS_METRIC)

    async def put(self, letter: DeadLetter) -> None:
        origin = f"{letter.topic}/{letter.partition}/{letter.offset}"
        log.warning("dead_letter", origin=origin, reason=letter.reason, message=letter.message)
        try:
            await self._records.send(self._topic, key=origin.encode(), value=letter.to_bytes(), headers=())
        except RecordTooLargeError:
            bytes_without = letter.without_value().to_bytes()
            await self._records.send(self._topic, key=origin.encode(), value=bytes_without, headers=())
        self._counted.labels(letter.topic, letter.reason).inc()
