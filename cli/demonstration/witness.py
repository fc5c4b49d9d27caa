"""Who reads along? A consumer of the job, usage and results topics, outside every group, that keeps all it sees."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord

from cli.demonstration.progress import Progress
from shared.contracts import AttemptFinished, AttemptStatus, Door, Job, JobEnded
from shared.topics import JOBS, RESULTS, USAGE

__all__ = ["Witness", "watching"]

_POLL_MS: Final = 200


class Witness:
    def __init__(self, topic_prefix: str, progress: Progress) -> None:
        self._results = RESULTS.at(topic_prefix)
        self._usage = USAGE.at(topic_prefix)
        self._jobs = frozenset(topic.at(topic_prefix) for topic in JOBS.values())
        self._progress = progress
        self._changed = asyncio.Condition()
        self._doors: dict[str, Door] = {}
        self.accepted: list[Job] = []
        """Every record, as are the endings."""
        self.endings: list[JobEnded] = []
        self.attempts: set[str] = set()
        self.ended: set[str] = set()

    @property
    def topics(self) -> tuple[str, ...]:
        return self._results, self._usage, *self._jobs

    @property
    def unfinished(self) -> set[str]:
        return self._doors.keys() - self.ended

    async def until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Whether it came true within that time; looked at whenever something was read."""
        try:
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(condition)
        except TimeoutError:
            return False
        return True

    async def read(self, consumer: AIOKafkaConsumer) -> None:
        """Until cancelled."""
        while True:
            batches = await consumer.getmany(timeout_ms=_POLL_MS)
            for records in batches.values():
                for record in records:
                    self._take(record)
            if batches:
                async with self._changed:
                    self._changed.notify_all()

    def _take(self, record: ConsumerRecord) -> None:
        if record.topic == self._results:
            self._ended(JobEnded.model_validate_json(record.value))
        elif record.topic == self._usage:
            self._charged(AttemptFinished.model_validate_json(record.value))
        else:
            self._accepted(Job.model_validate_json(record.value))

    def _accepted(self, job: Job) -> None:
        self.accepted.append(job)
        if job.id not in self._doors:
            self._doors[job.id] = job.door
            self._progress.accepted[job.door] += 1
            if job.id in self.ended:  # its partition was read after that of its result
                self._progress.ended[job.door] += 1

    def _ended(self, ending: JobEnded) -> None:
        self.endings.append(ending)
        if ending.job_id not in self.ended:
            self.ended.add(ending.job_id)
            if door := self._doors.get(ending.job_id):
                self._progress.ended[door] += 1

    def _charged(self, attempt: AttemptFinished) -> None:
        if attempt.attempt_id not in self.attempts:
            self.attempts.add(attempt.attempt_id)
            self._progress.calls += 1
            self._progress.failed_calls += attempt.status is not AttemptStatus.SUCCEEDED
            self._progress.tokens += attempt.usage.total


@asynccontextmanager
async def watching(kafka_url: str, topic_prefix: str, progress: Progress) -> AsyncIterator[Witness]:
    """Raises KafkaError when the broker does not answer."""
    witness = Witness(topic_prefix, progress)
    consumer = AIOKafkaConsumer(
        *witness.topics,
        bootstrap_servers=kafka_url,
        client_id="sluice-demo",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    try:
        await consumer.start()
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(witness.read(consumer), name="witness")
            yield witness
            reading.cancel()
    finally:
        await consumer.stop()
