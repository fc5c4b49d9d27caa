"""How every `ports.JobLog` behaves for its readers. Whoever inherits this gives the log and a worker that writes it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol

import pytest

from services.ingress.ports import Cancellation, Following, JobLog, Progress
from shared.contracts import Job, JobEnded, JobStatus
from shared.ids import JobId, new_job_id
from shared.job_log import START, Cursor, Entry, EventType
from tests.suites.ingress import a_chunk, a_job, an_end

__all__ = ["JobLogReaders", "LogWriter", "deltas", "read_to_the_end"]


class LogWriter(Protocol):
    """A worker's side of a job log."""

    async def take(self, job: Job, worker: str = "w1") -> int:
        """Gives the epoch. A job that is owned is taken over."""
        ...

    async def append(self, job: Job, *entries: Entry) -> None: ...

    async def end(self, job: Job, ended: JobEnded, seq: int) -> None: ...


def deltas(job: Job, epoch: int, *seqs: int) -> list[Entry]:
    return [Entry(Cursor(epoch, seq), EventType.DELTA, a_chunk(job, f"{epoch}.{seq} ")) for seq in seqs]


async def read_to_the_end(following: Following, *, stop_after: int | None = None, seconds: float = 30) -> list[Entry]:
    """Everything until the terminal event, or at least `stop_after` entries."""
    entries: list[Entry] = []
    async with asyncio.timeout(seconds):
        while not (entries and entries[-1].type.is_terminal):
            entries += await following.next(5)
            if stop_after is not None and len(entries) >= stop_after:
                break
    return entries


def kinds(entries: Sequence[Entry]) -> list[tuple[tuple[int, int], str]]:
    return [((entry.cursor.epoch, entry.cursor.seq), entry.type.value) for entry in entries]


class JobLogReaders:
    @pytest.fixture
    async def job_log(self) -> JobLog:
        raise NotImplementedError

    @pytest.fixture
    async def writer(self) -> LogWriter:
        raise NotImplementedError

    async def test_a_reader_sees_every_event_in_order_to_the_end(self, job_log: JobLog, writer: LogWriter) -> None:
        job = a_job()
        async with job_log.follow(job.id, START) as following:
            await job_log.accept(job)
            reading = asyncio.create_task(read_to_the_end(following))
            await self.run(job, writer, 50)
            assert kinds(await reading) == self.whole(50)

    async def test_a_reader_that_comes_late_sees_the_same(self, job_log: JobLog, writer: LogWriter) -> None:
        job = a_job()
        await job_log.accept(job)
        await self.run(job, writer, 50)
        async with job_log.follow(job.id, START) as following:
            assert kinds(await read_to_the_end(following)) == self.whole(50)

    async def test_a_job_that_nobody_follows_any_more_can_be_abandoned(
        self, job_log: JobLog, writer: LogWriter
    ) -> None:
        job = a_job()
        async with job_log.follow(job.id, START), job_log.follow(job.id, START):
            await job_log.accept(job)
        await writer.take(job)
        assert await job_log.abandon(job.id) is Cancellation.RUNNING
        record = await job_log.look(job.id)
        assert record is not None
        assert record.cancel_requested

    async def test_a_job_that_somebody_follows_cannot_be_abandoned(self, job_log: JobLog, writer: LogWriter) -> None:
        job = a_job()
        await job_log.accept(job)
        async with job_log.follow(job.id, START) as staying:
            async with job_log.follow(job.id, START) as leaving:
                await leaving.next(5)
            assert await job_log.abandon(job.id) is Cancellation.FOLLOWED
            await self.run(job, writer, 3)
            assert kinds(await read_to_the_end(staying)) == self.whole(3)
        assert await job_log.abandon(job.id) is Cancellation.ENDED

    async def test_who_comes_while_the_last_one_leaves_misses_nothing(self, job_log: JobLog, writer: LogWriter) -> None:
        job = a_job()
        await job_log.accept(job)
        last = AsyncExitStack()
        await last.enter_async_context(job_log.follow(job.id, START))
        running = asyncio.create_task(self.run(job, writer, 60))
        for _ in range(10):
            coming = AsyncExitStack()
            _, following = await asyncio.gather(
                last.aclose(), coming.enter_async_context(job_log.follow(job.id, START))
            )
            last = coming
        async with last:
            assert kinds(await read_to_the_end(following)) == self.whole(60)
        await running

    async def test_many_readers_see_the_same(self, job_log: JobLog, writer: LogWriter) -> None:
        job = a_job()
        await job_log.accept(job)
        async with self.readers(job_log, job.id, 5) as followings:
            reading = [asyncio.create_task(read_to_the_end(following)) for following in followings]
            await self.run(job, writer, 20)
            assert [kinds(each) for each in await asyncio.gather(*reading)] == [self.whole(20)] * 5

    @pytest.mark.parametrize("at", [Cursor(0, 1), Cursor(1, 1), Cursor(1, 10), Cursor(1, 22)])
    async def test_reading_goes_on_behind_a_cursor(self, job_log: JobLog, writer: LogWriter, at: Cursor) -> None:
        job = a_job()
        await job_log.accept(job)
        await self.run(job, writer, 20)
        whole = self.whole(20)
        rest = [found for found in whole if found[0] > at]
        async with job_log.follow(job.id, at) as following:
            if rest:
                assert kinds(await read_to_the_end(following)) == rest
            else:
                assert await following.next(0) == ()

    async def test_silence_is_told_within_the_readers_patience(self, job_log: JobLog) -> None:
        async with job_log.follow(new_job_id(), START) as following:
            async with asyncio.timeout(20):
                assert await following.next(0.05) == ()

    async def test_a_takeover_is_seen_and_what_the_former_owner_still_says_is_not(
        self, job_log: JobLog, writer: LogWriter
    ) -> None:
        job = a_job()
        await job_log.accept(job)
        async with job_log.follow(job.id, START) as following:
            await writer.take(job)
            await writer.append(job, *deltas(job, 1, 2, 3))
            assert await writer.take(job, "w2") == 2
            await writer.append(job, *deltas(job, 1, 4))
            await writer.append(job, Entry(Cursor(2, 2), EventType.RESTART, b"{}"), *deltas(job, 2, 3))
            await writer.end(job, an_end(job, epoch=2), 4)
            seen = kinds(await read_to_the_end(following))
        assert [cursor for cursor, _ in seen] == [(0, 1), (1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3), (2, 4)]

    async def test_accepting_twice_or_after_a_worker_has_begun_changes_nothing(
        self, job_log: JobLog, writer: LogWriter
    ) -> None:
        job = a_job()
        await writer.take(job)
        await job_log.accept(job)
        await job_log.accept(job)
        async with job_log.follow(job.id, START) as following:
            assert kinds(await following.next(1)) == [((0, 1), "accepted"), ((1, 1), "started")]

    async def test_a_job_nobody_accepted_is_unknown(self, job_log: JobLog) -> None:
        assert await job_log.look(new_job_id()) is None

    async def test_a_job_is_known_from_its_acceptance_to_its_end(self, job_log: JobLog, writer: LogWriter) -> None:
        job = a_job(custom_id="mine")
        await job_log.accept(job)
        queued = await job_log.look(job.id)
        await writer.take(job)
        running = await job_log.look(job.id)
        await writer.end(job, an_end(job, status=JobStatus.SUCCEEDED), 2)
        ended = await job_log.look(job.id)
        assert queued is not None
        assert running is not None
        assert ended is not None
        assert (queued.tenant, queued.custom_id, queued.progress) == ("acme", "mine", Progress.QUEUED)
        assert (running.progress, running.ended, running.end) == (Progress.RUNNING, None, None)
        assert ended.ended is not None
        assert (ended.ended.status, ended.end) == (JobStatus.SUCCEEDED, (1, 2))

    async def test_cancelling_tells_what_it_found_and_may_be_repeated(self, job_log: JobLog, writer: LogWriter) -> None:
        job = a_job()
        await job_log.accept(job)
        assert await job_log.cancel(job.id) is Cancellation.QUEUED
        assert await job_log.cancel(job.id) is Cancellation.QUEUED
        marked = await job_log.look(job.id)
        assert marked is not None
        assert marked.cancel_requested
        await writer.take(job)
        assert await job_log.cancel(job.id) is Cancellation.RUNNING
        await writer.end(job, an_end(job, status=JobStatus.CANCELLED), 2)
        assert await job_log.cancel(job.id) is Cancellation.ENDED

    # --- the story most of them tell ---

    async def run(self, job: Job, writer: LogWriter, count: int) -> None:
        await writer.take(job)
        for entry in deltas(job, 1, *range(2, count + 2)):
            await writer.append(job, entry)
        await writer.end(job, an_end(job), count + 2)

    def whole(self, count: int) -> list[tuple[tuple[int, int], str]]:
        middle = [((1, seq), "delta") for seq in range(2, count + 2)]
        return [((0, 1), "accepted"), ((1, 1), "started"), *middle, ((1, count + 2), "done")]

    @asynccontextmanager
    async def readers(self, job_log: JobLog, job: JobId, count: int) -> AsyncIterator[list[Following]]:
        if count == 0:
            yield []
            return
        async with job_log.follow(job, START) as one, self.readers(job_log, job, count - 1) as others:
            yield [one, *others]
