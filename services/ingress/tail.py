"""A job's events in order until its end, wherever they are kept: the log while Redis has it, else the stored result."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

from services.ingress.ports import ClaimChecks, Following, JobArchive, JobLog, JobRecord, UnavailableError
from shared.contracts import JobEnded, JobStatus
from shared.ids import JobId
from shared.job_log import Cursor, Entry, EventType

__all__ = ["STORED_SEQ", "Tail", "Tails", "stored_end"]

_CLAIM_CHECK: Final = b'"response_blob"'
_PAUSE_SECONDS: Final = 0.5

STORED_SEQ: Final = 999_999_999_999
"""The seq of a terminal event that is told from the stored result: behind every entry its epoch can have had."""

_EVENTS: Final = {
    JobStatus.SUCCEEDED: EventType.DONE,
    JobStatus.FAILED: EventType.ERROR,
    JobStatus.CANCELLED: EventType.CANCELLED,
    JobStatus.EXPIRED: EventType.EXPIRED,
}


def stored_end(ended: JobEnded) -> Entry:
    return Entry(Cursor(ended.epoch, STORED_SEQ), _EVENTS[ended.status], ended.to_bytes())


class Tails:
    """What is known of jobs and their events, from the log and the archive together."""

    def __init__(self, job_log: JobLog, archive: JobArchive, claim_checks: ClaimChecks) -> None:
        self._job_log = job_log
        self._archive = archive
        self._claim_checks = claim_checks

    async def look(self, tenant: str, job: JobId) -> JobRecord | None:
        """The freshest that is known, with its whole answer. None when the tenant has no such job.

        Raises UnavailableError when what answers knows nothing and what might know does not answer.
        """
        record = await self._known(tenant, job)
        if record is None or record.ended is None or record.ended.response_blob is None:
            return record
        return replace(record, ended=await self._claim_checks.whole(record.ended))

    async def whole(self, end: Entry) -> Entry:
        """A terminal entry with the whole answer in it. Raises UnavailableError."""
        if _CLAIM_CHECK not in end.data:
            return end
        ended = JobEnded.model_validate_json(end.data)
        if ended.response_blob is None:
            return end
        return end._replace(data=(await self._claim_checks.whole(ended)).to_bytes())

    async def _known(self, tenant: str, job: JobId) -> JobRecord | None:
        unanswered: UnavailableError | None = None
        try:
            record = await self._in_log(tenant, job)
        except UnavailableError as error:
            record, unanswered = None, error
        # Another tenant's goes the way of one that does not exist, to the archive: neither the answer nor how long it
        # takes, nor a database that is away, tells the two apart.
        if record is not None:
            return record
        archived = await self._archive.find(tenant, job)
        if archived is None and unanswered is not None:
            raise unanswered
        return archived

    async def settled(self, tenant: str, job: JobId) -> JobRecord | None:
        """As `look`, for who would stop reading by it. The archive may know of an end that the log has lost.

        An end is in the log before the archive learns of it: only a log that was read *behind* the archive's word has
        lost what it does not show. Raises UnavailableError also when the log does not answer: it may hold more than
        the end.
        """
        record = await self._in_log(tenant, job)
        if record is not None and record.ended is not None:
            return record
        archived = await self._archive.find(tenant, job)
        if archived is None or archived.ended is None:
            return archived or record
        record = await self._in_log(tenant, job)
        return record if record is not None and record.ended is not None else archived

    async def _in_log(self, tenant: str, job: JobId) -> JobRecord | None:
        record = await self._job_log.look(job)
        return record if record is not None and record.tenant == tenant else None

    @asynccontextmanager
    async def follow(self, tenant: str, job: JobId, after: Cursor) -> AsyncIterator["Tail"]:
        """Entering it raises UnavailableError."""
        async with self._job_log.follow(job, after) as following:
            yield Tail(self, following, tenant, job, after)


class Tail:
    def __init__(self, tails: Tails, following: Following, tenant: str, job: JobId, after: Cursor) -> None:
        self._tails = tails
        self._following = following
        self._tenant = tenant
        self._job = job
        self._cursor = after
        self._held: Sequence[Entry] = ()
        """Entries whose last one's answer could not be collected yet."""
        self.over = False
        """Whether the terminal event was given, or lies before the cursor: nothing comes any more."""

    async def next(self, patience: float) -> Sequence[Entry]:
        """As `Following.next`. When the log is silent, the end is looked for where else it may stand."""
        entries = self._held or await self._following.next(patience)
        if not entries:
            entries = await self._end_elsewhere()
        elif entries[-1].type.is_terminal:
            entries = await self._with_answer(entries, patience)
        if entries:
            self._cursor = entries[-1].cursor
            self.over = entries[-1].type.is_terminal
        return entries

    async def _with_answer(self, entries: Sequence[Entry], patience: float) -> Sequence[Entry]:
        try:
            end = await self._tails.whole(entries[-1])
        except UnavailableError:
            self._held = entries
            await asyncio.sleep(min(_PAUSE_SECONDS, patience))
            return ()
        self._held = ()
        return [*entries[:-1], end]

    async def _end_elsewhere(self) -> Sequence[Entry]:
        try:
            record = await self._tails.settled(self._tenant, self._job)
        except UnavailableError:
            return ()
        if record is None or record.ended is None:
            return ()
        if record.end is not None:
            # The log has it: the reader has come past it, or is about to get it.
            self.over = record.end <= self._cursor
            return ()
        end = stored_end(record.ended)
        self.over = end.cursor <= self._cursor
        return () if self.over else (end,)
