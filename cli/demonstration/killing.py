"""Who dies? The worker that runs most jobs: stopped for a moment to see what it has in hand, then killed outright."""

import os
import signal
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass

from redis.asyncio import Redis

from cli.demonstration.evidence import Kill
from cli.stack.state import ServiceState
from shared.ids import AttemptId, JobId, attempt_id
from shared.job_log import Keyspace

__all__ = ["kill_busiest"]


@dataclass(frozen=True, slots=True)
class _Claimed:
    job: JobId
    owner: str
    open_attempts: tuple[AttemptId, ...]


async def kill_busiest(
    redis: Redis, keyspace: Keyspace, workers: Sequence[ServiceState], jobs: Collection[JobId], *, at_least: int
) -> Kill | None:
    """None when no worker is at a call for so many of the jobs, and then none is killed. Raises RedisError.

    `redis` must decode its answers.
    """
    claimed = [claim async for claim in _claims(redis, keyspace, jobs)]
    by_worker = {worker.name: _in_hand(worker, claimed) for worker in workers}
    victim = max(workers, key=lambda worker: len(by_worker[worker.name]), default=None)
    if victim is None or victim.pid is None or len(by_worker[victim.name]) < at_least:
        return None
    # While it is stopped it can neither end a job nor take one: what the claims say then is what it dies with.
    os.kill(victim.pid, signal.SIGSTOP)
    in_hand: list[_Claimed] = []
    try:
        in_hand = _in_hand(victim, [claim async for claim in _claims(redis, keyspace, jobs)])
    finally:
        os.kill(victim.pid, signal.SIGKILL if in_hand else signal.SIGCONT)
    if not in_hand:
        return None
    return Kill(
        victim.name,
        victim.pid,
        tuple(claim.job for claim in in_hand),
        tuple(attempt for claim in in_hand for attempt in claim.open_attempts),
    )


async def _claims(redis: Redis, keyspace: Keyspace, jobs: Collection[JobId]) -> AsyncIterator[_Claimed]:
    """Of jobs that somebody runs."""
    for job in jobs:
        found = await redis.hgetall(keyspace.job(job).claim)
        fields = {str(name): str(value) for name, value in found.items()}
        if "owner" in fields and "outcome" not in fields:
            yield _Claimed(job, fields["owner"], tuple(_open_attempts(job, fields)))


def _open_attempts(job: JobId, fields: Collection[str]) -> list[AttemptId]:
    """`a<n>` is noted when attempt n begins, `f<n>` when it has ended in failure."""
    begun = [int(name[1:]) for name in fields if name[:1] == "a" and name[1:].isdigit()]
    return [attempt_id(job, number) for number in sorted(begun) if f"f{number}" not in fields]


def _in_hand(worker: ServiceState, claimed: Sequence[_Claimed]) -> list[_Claimed]:
    """A worker's id begins with its name and its process id."""
    return [
        claim for claim in claimed if claim.open_attempts and claim.owner.startswith(f"{worker.name}-{worker.pid}-")
    ]
