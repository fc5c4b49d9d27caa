"""The queue of admitted jobs and the dead letters of `ports`, on the project's topics."""

import structlog

from services.ingress.adapters.kafka_records import KafkaRecords
from services.ingress.ports import RecordTooLargeError
from shared.contracts import DeadLetter, Job
from shared.telemetry import Instruments, TraceContext
from shared.telemetry.metrics import DEAD_LETTERS as DEAD_LETTERS_METRIC
from shared.topics import DEAD_LETTERS, JOBS

__all__ = ["KafkaDeadLetters", "KafkaJobQueue"]

log = structlog.get_logger()


class KafkaJobQueue:
    def __init__(self, records: KafkaRecords, topic_prefix: str) -> None:
        self._records = records
        self._topics = {lane: topic.at(topic_prefix) for lane, topic in JOBS.items()}

    async def put(self, job: Job, trace: TraceContext) -> None:
        await self._records.send(
            self._topics[job.lane], key=job.id.encode(), value=job.to_bytes(), headers=trace.headers()
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
            # With its envelope the record is larger than the broker takes. Its origin still has it, for a while.
            without = letter.model_copy(update={"value": b"", "code": "value_too_large"})
            await self._records.send(self._topic, key=origin.encode(), value=without.to_bytes(), headers=())
        self._counted.labels(letter.topic, letter.reason).inc()
