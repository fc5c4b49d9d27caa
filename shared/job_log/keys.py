"""Where things are in Redis. Everything of one job shares a hash tag, so one Lua call reaches it in a cluster too.

A channel on which a script publishes is sharded and must lie where the script's keys do. So an ingress has one channel
on a single server, and in a cluster one for each tag; a call that serves many jobs serves those of one tag.
"""

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
    memory: str
    """HASH: since when the server that has these remembers everything."""
    together: str
    """Jobs that have this in common may share a call: all of them, or in a cluster those of one tag."""


@dataclass(frozen=True, slots=True)
class Keyspace:
    """All key and channel names below one prefix, so that several stacks can share a server."""

    prefix: str = "sluice"
    clustered: bool = False

    def job(self, job: JobId) -> JobKeys:
        tag = _tag(zlib.crc32(job.encode()) % _SHARDS)
        stem = f"{self.prefix}:{tag}:{job}"
        together = tag if self.clustered else ""
        return JobKeys(
            log=f"{stem}:log",
            readers=f"{stem}:readers",
            claim=f"{stem}:claim",
            memory=self._memory(together),
            together=together,
        )

    def heartbeat(self, worker: str) -> str:
        """Exists as long as the worker lives."""
        return f"{self.prefix}:{self._tag_of(worker)}worker:{worker}"

    def heartbeat_memory(self, worker: str) -> str:
        """As `JobKeys.memory`, of the server that has the heartbeat."""
        return self._memory(self._tag_of(worker).rstrip(":"))

    @property
    def memories(self) -> tuple[str, ...]:
        """Of all servers that have anything: one, or in a cluster one for each tag."""
        return tuple(self._memory(tag) for tag in self._tags)

    def worker_channel(self, worker: str) -> str:
        """What others tell this worker: `cancel <job id>`."""
        return f"{self.prefix}:tell:{worker}"

    def ingress_channel(self, replica: str, job: JobId) -> str:
        """Log entries for the readers of this ingress replica: `job \\n id \\n entry`, any number of times."""
        return self._ingress_channel(self.job(job).together, replica)

    def ingress_channels(self, replica: str) -> tuple[str, ...]:
        """All of that replica: between them they carry every job's entries."""
        return tuple(self._ingress_channel(tag, replica) for tag in self._tags)

    @property
    def _tags(self) -> tuple[str, ...]:
        return tuple(_tag(number) for number in range(_SHARDS)) if self.clustered else ("",)

    def _tag_of(self, worker: str) -> str:
        return f"{_tag(zlib.crc32(worker.encode()) % _SHARDS)}:" if self.clustered else ""

    def _memory(self, tag: str) -> str:
        return f"{self.prefix}:{tag}:memory" if tag else f"{self.prefix}:memory"

    def _ingress_channel(self, tag: str, replica: str) -> str:
        return f"{self.prefix}:{tag}:ingress:{replica}" if tag else f"{self.prefix}:ingress:{replica}"

    def repeat(self, digest: str) -> str:
        """STRING: the job that an idempotency key stands for, and what was asked for."""
        return f"{self.prefix}:repeat:{digest}"

    @property
    def loads(self) -> str:
        """HASH: worker, how busy it says it is."""
        return f"{self.prefix}:loads"

    @property
    def seats(self) -> str:
        """HASH: seat of the workers' fleet, when it was renewed, when it runs out, whose it is."""
        return f"{self.prefix}:seats"

    def quota(self, account: str) -> str:
        """HASH: who may call this deployment when; `services/router_worker/fleet/leases.py` says its fields."""
        return f"{self.prefix}:{{quota:{account}}}"

    def budgets(self, tenant: str) -> tuple[str, str]:
        """HASH: what is spent and held of the tenant's budgets. HASH: job, what it holds. See `shared/budgets`."""
        stem = f"{self.prefix}:{{budgets:{tenant}}}"
        return f"{stem}:book", f"{stem}:holds"

    @property
    def traffic(self) -> str:
        """HASH: worker, when it said so, and how busy and quick it finds each deployment."""
        return f"{self.prefix}:traffic"

    def rates(self, scope: str) -> tuple[str, str]:
        """HASH: what may be asked of this scope. ZSET: the jobs that have a place in it. See `shared/rates`."""
        stem = f"{self.prefix}:{{rates}}:{scope}"
        return stem, f"{stem}:places"

    def hold(self, job: JobId) -> str:
        """STRING: what the job has taken of its limits."""
        return f"{self.prefix}:{{rates}}:hold:{job}"

    @property
    def directory_channel(self) -> str:
        """Tells that tenants, teams, keys or budgets in the database have changed."""
        return f"{self.prefix}:directory"

    @property
    def breakers(self) -> str:
        """HASH: deployment, or key of a provider, until when the workers leave it alone, how often in a row, why."""
        return f"{self.prefix}:breakers"

    @property
    def refollow_channel(self) -> str:
        """Ids of jobs whose log was refilled: their readers must follow again, for the flush forgot them too."""
        return f"{self.prefix}:refollow"

    def readers_of(self, origin: str) -> str:
        """SET: the workers that have begun to read this record, and did not live to say that they could."""
        return f"{self.prefix}:reading:{origin}"


def _tag(number: int) -> str:
    return f"{{s{number}}}"
