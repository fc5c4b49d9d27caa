"""Where things are in Redis. Everything of one job shares a hash tag, so one Lua call reaches it in a cluster too."""

import zlib
from dataclasses import dataclass

from shared.ids import JobId

__all__ = ["JobKeys", "Keyspace"]

_SHARDS = 64


@dataclass(frozen=True, slots=True)
class JobKeys:
    log: str
    """STREAM of the job's events, ids `<epoch>-<seq>`."""
    readers: str
    """SET of the channels of the ingress replicas that follow it."""
    claim: str
    """HASH: job (its facts), owner, epoch, a<n> (attempts begun), cancel, outcome."""


@dataclass(frozen=True, slots=True)
class Keyspace:
    """All key and channel names below one prefix, so that several stacks can share a server."""

    prefix: str = "sluice"

    def job(self, job: JobId) -> JobKeys:
        stem = f"{self.prefix}:{{s{zlib.crc32(job.encode()) % _SHARDS}}}:{job}"
        return JobKeys(log=f"{stem}:log", readers=f"{stem}:readers", claim=f"{stem}:claim")

    def heartbeat(self, worker: str) -> str:
        """Exists as long as the worker lives."""
        return f"{self.prefix}:worker:{worker}"

    def worker_channel(self, worker: str) -> str:
        """What others tell this worker: `cancel <job id>`."""
        return f"{self.prefix}:tell:{worker}"

    def ingress_channel(self, replica: str) -> str:
        """Log entries for the readers of this ingress replica: `job \\n id \\n entry`, any number of times."""
        return f"{self.prefix}:ingress:{replica}"

    @property
    def refollow_channel(self) -> str:
        """Ids of jobs whose log was refilled: their readers must follow again, for the flush forgot them too."""
        return f"{self.prefix}:refollow"
