"""Places jobs on Kafka again: those that are put off, and those whose time in a tier is over."""

from collections.abc import Callable

from faststream.kafka import KafkaBroker

from services.router_worker.ports import JobQueue, Place
from services.router_worker.publishing.sending import until_sent
from shared.clock import Clock
from shared.contracts import Job
from shared.placing import partition_for, topic_for

__all__ = ["KafkaJobQueue", "Mover"]


class KafkaJobQueue:
    def __init__(
        self,
        broker: KafkaBroker,
        topic_prefix: str,
        partitions: Callable[[str], int],
        share: Callable[[str], int | None],
        clock: Clock,
    ) -> None:
        """`partitions` says how many a topic has, `share` how many of the batch lane are a tenant's."""
        self._broker = broker
        self._prefix = topic_prefix
        self._partitions = partitions
        self._share = share
        self._clock = clock

    async def put(self, job: Job, traceparent: str | None) -> None:
        topic = topic_for(job, self._clock())
        name = topic.at(self._prefix)
        place = partition_for(job, topic, self._partitions(name), self._share(job.tenant))
        headers = {"traceparent": traceparent} if traceparent else {}
        await until_sent(
            lambda: self._broker.publish(job.to_bytes(), name, key=job.id.encode(), partition=place, headers=headers),
            job=job.id,
        )


class Mover:
    """What is done with a record of a tier when its time there is over: the job goes to its lane, or to another tier.

    Once Kafka has the new record the old one is acknowledged. A crash in between moves the job twice, and the second
    record finds it running or ended.
    """

    def __init__(self, queue: JobQueue) -> None:
        self._queue = queue

    async def serve(self, job: Job, place: Place, traceparent: str | None) -> None:  # noqa: ARG002 - as `ServesJobs`
        await self._queue.put(job, traceparent)
