"""Where does a job stand on Kafka now: on which topic, and on which of its partitions? Pure."""

from datetime import datetime

from shared.contracts import Job
from shared.sharding import partition_of
from shared.topics import JOBS, JOBS_BATCH, TIERS, Topic

__all__ = ["partition_for", "topic_for"]


def topic_for(job: Job, now: datetime) -> Topic:
    """Its lane's, or while it must not begin yet the longest tier that lets it out in time.

    What is left of the wait when no tier is short enough, a worker waits for itself.
    """
    if job.not_before is None:
        return JOBS[job.lane]
    wait = min(job.not_before, job.deadline) - now
    return next((tier.topic for tier in reversed(TIERS) if tier.delay <= wait), JOBS[job.lane])


def partition_for(job: Job, topic: Topic, partitions: int, share: int | None) -> int | None:
    """One of the tenant's own where tenants are kept apart, `share` of the topic's partitions; None goes by the key."""
    if topic is not JOBS_BATCH or share is None:
        return None
    return partition_of(job.id, job.tenant, partitions, share)
