"""A worker on real Redis, with the Lua that workers run: what stands in for one in the tests of ingress."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson
from redis.asyncio import Redis

from shared.contracts import Job, JobEnded
from shared.ids import JobId
from shared.job_log import (
    APPEND,
    END,
    TAKE,
    Cursor,
    Entry,
    EventType,
    Keyspace,
    accepted_entry,
    encode_entry,
    facts_of,
)
from tests.suites.ingress_ports import terminal_entry

__all__ = ["RedisWriter"]

_TTL_MS = 600_000


@dataclass(slots=True)
class RedisWriter:
    redis: Redis
    keyspace: Keyspace
    kept: dict[JobId, list[Entry]] = field(default_factory=dict)
    """Of the running epoch, as a worker keeps them for a log that is lost."""
    fenced: list[str] = field(default_factory=list)
    refills: int = 0

    async def take(self, job: Job, worker: str = "w1") -> int:
        keys = self.keyspace.job(job.id)
        owner, epoch = await self.redis.hmget(keys.claim, ["owner", "epoch"])
        entries = [encode_entry(event, b"{}") for event in (EventType.STARTED, EventType.PROGRESS)]
        reply = await self.redis.register_script(TAKE)(
            [keys.log, keys.readers, keys.claim, keys.memory],
            [
                *(job.id, worker, owner or "", epoch or "0", facts_of(job).to_bytes(), _TTL_MS, *entries, 2**53),
                accepted_entry(job),
                0,
            ],
        )
        assert reply[0] == b"taken", reply
        taken = int(reply[1])
        first = EventType.STARTED if taken == 1 else EventType.PROGRESS
        self.kept[job.id] = [Entry(Cursor(taken, 1), first, b"{}")]
        return taken

    async def append(self, job: Job, *entries: Entry) -> None:
        """Refills the log first when it is behind, as the worker's flusher does."""
        if any(entry.cursor.epoch < self.kept[job.id][0].cursor.epoch for entry in entries):
            await self._append(job, 0, entries)
            return
        expected = len(self.kept[job.id])
        self.kept[job.id] += entries
        while behind := await self._append(job, expected, entries):
            self.refills += 1
            length = int(behind[0][1])
            await self._append(job, length, self.kept[job.id][length:])
            await self.redis.spublish(self.keyspace.refollow_channel, job.id)
            expected, entries = len(self.kept[job.id]), ()

    async def _append(self, job: Job, expected: int, entries: Sequence[Entry]) -> list[list[bytes]]:
        keys = self.keyspace.job(job.id)
        pairs = [part for entry in entries for part in (str(entry.cursor), encode_entry(entry.type, entry.data))]
        epoch = entries[-1].cursor.epoch if entries else 0
        behind, fenced = await self.redis.register_script(APPEND)(
            [keys.log, keys.readers], [job.id, epoch, expected, _TTL_MS, len(entries), *pairs]
        )
        self.fenced += [name.decode() for name in fenced]
        return list(behind)

    async def end(self, job: Job, ended: JobEnded, seq: int) -> None:
        keys = self.keyspace.job(job.id)
        entry = terminal_entry(ended, seq)
        outcome = orjson.dumps({"ended": orjson.loads(entry.data), "attempts": []})
        reply = await self.redis.register_script(END)(
            [keys.log, keys.readers, keys.claim],
            [
                job.id,
                "w1",
                ended.epoch,
                0,
                str(entry.cursor),
                encode_entry(entry.type, entry.data),
                outcome,
                _TTL_MS,
            ],
        )
        assert reply[0] == b"ended", reply
