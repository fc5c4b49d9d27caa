"""One flusher per process writes the journals of all its jobs to Redis: few calls, no holes, no duplicates.

Theory. Every tick all journals with something to say go out in one pipeline, and at once those with a first token or an
end (see `turns.py`): append calls of at most 128 entries, then the ends. Repeating a pipeline whose reply was lost is
harmless, because Redis refuses an id that is not larger than the last. Each append names the length its log must have;
a log that is behind takes nothing, and is refilled from the journal before anything else is written to it. A journal
whose epoch was overtaken is fenced: its job stops.

A log that nobody writes to would not be missed, so once a second each journal asks whether its log still stands, also
for some seconds behind the end: a server that comes back without its last second, or without anything, is told again
how the job ended before anybody can take the job for an unfinished one.

While Redis is away the journals grow, bounded by the answers of the jobs that run, and no new job is taken.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.router_worker.ports import FlushMeasures, Taken
from services.router_worker.publishing.appends import append_arguments, batches_of, take_append_reply
from services.router_worker.publishing.journal import Ending, Journal
from services.router_worker.publishing.turns import Turns
from shared.contracts import Job
from shared.job_log import APPEND, END, RESTORE, Keyspace
from shared.rates import SETTLE

__all__ = ["Flusher"]

log = structlog.get_logger("publishing")

_LONGEST_PAUSE_SECONDS = 1.0
_LOOK_SECONDS = 1.0
_KEPT_SECONDS = 5.0
"""How long behind its end a log is looked after: longer than what a server may lose when it dies."""


@dataclass(slots=True, eq=False)
class _Ending:
    journal: Journal
    what: Ending
    ended: asyncio.Future[bool]


class Flusher:
    def __init__(
        self, redis: Redis, keyspace: Keyspace, worker: str, measures: FlushMeasures, *, tick_seconds: float = 0.01
    ) -> None:
        self._redis = redis
        self._keyspace = keyspace
        self._worker = worker
        self._measures = measures
        self._turns = Turns(tick_seconds)
        self._append = redis.register_script(APPEND)
        self._end = redis.register_script(END)
        self._restore = redis.register_script(RESTORE)
        self._settle = redis.register_script(SETTLE)
        self._endings: dict[Journal, _Ending] = {}
        self._open: dict[Journal, None] = {}
        self._ended: dict[Journal, tuple[_Ending, float]] = {}
        """Those that ended a moment ago, and when; the terminal entry is the last that they keep."""

    def open(
        self, job: Job, taken: Taken, claim: dict[str, bytes], ttl_ms: int, on_fenced: Callable[[], None]
    ) -> Journal:
        journal = Journal(
            job=job,
            keys=self._keyspace.job(job.id),
            epoch=taken.epoch,
            ttl_ms=ttl_ms,
            on_fenced=on_fenced,
            claim=claim,
            base=taken.log_length - 1,
            wake=self._turns.note,
            finish=self._finish,
            leave=self._leave,
            kept=[taken.first_entry],
        )
        self._open[journal] = None
        return journal

    def _leave(self, journal: Journal) -> None:
        self._open.pop(journal, None)

    async def _finish(self, journal: Journal, what: Ending) -> bool:
        if journal.fenced:
            return False
        ending = _Ending(journal, what, asyncio.get_running_loop().create_future())
        self._endings[journal] = ending
        self._turns.note(journal, True)
        return await ending.ended

    async def run(self) -> None:
        """Flush until cancelled. Must run as long as a journal is open."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._look_after(), name="job logs looked after")
            while True:
                await self._write_out([journal for journal in await self._turns.next() if not journal.fenced])
                self._settle_fenced()

    async def _look_after(self) -> None:
        """A journal with nothing to say finds out whether its log still stands."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            forgotten = time.monotonic() - _KEPT_SECONDS
            self._ended = {journal: kept for journal, kept in self._ended.items() if kept[1] > forgotten}
            for journal in (*self._open, *self._ended):
                self._turns.note(journal, False)

    async def _write_out(self, journals: Sequence[Journal]) -> None:
        """Write until Redis holds it all; a lost connection, a lost log and a lost claim are all mended here."""
        pause = 0.01
        behind = False
        open_journals = list(journals)
        while open_journals:
            try:
                behind_now = await self._write_once(open_journals)
                if behind:
                    await self._call_readers_back(open_journals)
                pause = 0.01
            except (RedisError, OSError) as error:
                log.warning("job_log_unreachable", reason=repr(error), jobs=len(open_journals))
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
                continue
            behind = bool(behind_now)
            open_journals = [journal for journal in behind_now if not journal.fenced]

    async def _write_once(self, journals: Sequence[Journal]) -> list[Journal]:
        """One pipeline. Returns the journals whose logs were behind; their claims are restored already."""
        for journal in journals:
            journal.seal()
        batches = batches_of(journals, self._endings)
        pipeline = self._redis.pipeline(transaction=False)
        for batch in batches:
            await self._append(*append_arguments(batch), client=pipeline)
        ends = [ending for journal in journals if (ending := self._endings.get(journal)) is not None]
        for ending in ends:
            await self._end(*self._end_arguments(ending), client=pipeline)
        for ending in ends:
            if ending.journal.job.paced:
                hold = self._keyspace.hold(ending.journal.job.id)
                await self._settle([hold], [ending.what.used_tokens], client=pipeline)
        began = time.perf_counter()
        replies = await pipeline.execute()
        self._measures.flushed(
            sum(len(part.entries) for batch in batches for part in batch), time.perf_counter() - began
        )

        lengths: dict[Journal, int] = {}
        for batch, (behind, fenced) in zip(batches, replies, strict=False):
            take_append_reply(batch, behind, fenced, lengths)
        # What is behind the ends gave back what the jobs held of their limits, and says nothing.
        for ending, reply in zip(ends, replies[len(batches) :], strict=False):
            self._take_end_reply(ending, reply, lengths)
        for journal, length in lengths.items():
            self._reopen(journal)
            journal.rewind(length)
        await self._restore_claims([journal for journal in lengths if not journal.fenced])
        return list(lengths)

    def _reopen(self, journal: Journal) -> None:
        """The log has lost its end, and must be ended again."""
        if (kept := self._ended.pop(journal, None)) is not None:
            journal.kept.pop()
            self._endings[journal] = kept[0]

    def _take_end_reply(self, ending: _Ending, reply: list[Any], lengths: dict[Journal, int]) -> None:
        journal = ending.journal
        match reply[0]:
            case b"behind":
                lengths.setdefault(journal, int(reply[1]))
            case b"fenced":
                journal.fence()
            case _ if journal in lengths:
                pass  # ended by an earlier try whose reply was lost; the log is refilled all the same
            case _:
                self._endings.pop(journal, None)
                journal.kept.append(ending.what.entry)
                journal.written = len(journal.kept)
                self._ended[journal] = (ending, time.monotonic())
                _resolve(ending, ended=True)

    async def _restore_claims(self, journals: Sequence[Journal]) -> None:
        if not journals:
            return
        self._measures.refilled(len(journals))
        log.warning("job_log_refilled", jobs=[journal.job.id for journal in journals])
        pipeline = self._redis.pipeline(transaction=False)
        for journal in journals:
            fields = [part for field, value in journal.claim.items() for part in (field, value)]
            await self._restore([journal.keys.claim], [journal.epoch, journal.ttl_ms, *fields], client=pipeline)
        for journal, reply in zip(journals, await pipeline.execute(), strict=True):
            if reply == b"fenced":
                journal.fence()

    async def _call_readers_back(self, journals: Sequence[Journal]) -> None:
        """A flush forgot the readers as well: every ingress follows these jobs again."""
        pipeline = self._redis.pipeline(transaction=False)
        for journal in journals:
            pipeline.spublish(self._keyspace.refollow_channel, journal.job.id)
        await pipeline.execute()

    def _settle_fenced(self) -> None:
        for journal in [journal for journal in self._endings if journal.fenced]:
            _resolve(self._endings.pop(journal), ended=False)

    def _end_arguments(self, ending: _Ending) -> tuple[list[str], list[Any]]:
        journal = ending.journal
        number = len(journal.kept)
        return [journal.keys.log, journal.keys.readers, journal.keys.claim], [
            journal.job.id,
            self._worker,
            journal.epoch,
            journal.base + number,
            str(journal.cursor(number)),
            ending.what.entry,
            ending.what.outcome,
            ending.what.ttl_ms,
        ]


def _resolve(ending: _Ending, *, ended: bool) -> None:
    if not ending.ended.done():
        ending.ended.set_result(ended)
