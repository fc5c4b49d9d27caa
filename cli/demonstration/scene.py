"""The run itself, on a stage that stands: prompts come in, readers drop, a worker dies; all of it is written down."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

import asyncpg
import httpx
from redis.asyncio import Redis

from cli.demonstration.display import Display
from cli.demonstration.evidence import Evidence, JobStream, Kill
from cli.demonstration.inquiry import Books, all_calls_ended, calls_served, calls_under_way
from cli.demonstration.killing import kill_busiest
from cli.demonstration.plan import Errand, late_fractions
from cli.demonstration.progress import Progress
from cli.demonstration.reading import Readers
from cli.demonstration.stage import Stage
from cli.demonstration.submitting import Notebook, Submitter
from cli.demonstration.witness import Witness, watching
from shared.ids import JobId
from shared.job_log import Keyspace
from shared.kafka import new_producer
from shared.topics import SUBMIT

__all__ = ["play"]

_END_SECONDS: Final = 60.0
"""From the last prompt until the last job has ended; whatever has not by then is a finding of the checks."""
_HALF_SECONDS: Final = 90.0
_RUSH: Final = 4
"""How many times faster the last prompts come than the others."""
_BUSY_SECONDS: Final = 3.0
"""So long a worker is waited for that has many jobs in hand; then one with any will do."""
_BOOKS_SECONDS: Final = 20.0
_LOOK_SECONDS: Final = 0.05
_READERS_AT_ONCE: Final = 16
_AGAIN_SECONDS: Final = 20.0
"""For a log that is complete."""
_TIMEOUT: Final = httpx.Timeout(60.0, connect=20.0)


@dataclass(frozen=True, slots=True)
class _Cast:
    """Everybody who takes part."""

    stage: Stage
    client: httpx.AsyncClient
    redis: Redis
    books: Books
    witness: Witness
    readers: Readers
    submitter: Submitter
    display: Display


async def play(stage: Stage, errands: Sequence[Errand], seed: int, display: Display) -> Evidence:
    """Raises what a server of the stage raises when it is not there for us; what Sluice does wrong is evidence."""
    prompts = sum(len(errand.prompts) for errand in errands)
    progress = Progress(Counter(errand.door for errand in errands for _ in errand.prompts))
    async with _assembled(stage, progress, display) as cast, asyncio.TaskGroup() as group:
        showing = group.create_task(display.follow(progress), name="display")
        display.tell(f"sending {prompts} prompts through three doors")
        half_way = asyncio.Event()
        killing = group.create_task(_kill_half_way(cast, prompts, half_way), name="killing")
        await _sent(cast.submitter, errands, half_way)
        expected = sum(each.refused is None for each in cast.submitter.notebook.submissions)
        if not await cast.witness.until(lambda: len(cast.witness.ended) >= expected, _END_SECONDS):
            display.tell(f"{expected - len(cast.witness.ended)} jobs have not ended after {_END_SECONDS:.0f} s")
        killing.cancel()
        display.tell(f"{len(cast.witness.ended)} jobs have ended; reading every stream again from its beginning")
        streams = await _read_again(cast, seed)
        await _books_closed(cast)
        showing.cancel()
        return await _gathered(cast, streams, killing.result() if killing.done() and not killing.cancelled() else None)


@asynccontextmanager
async def _assembled(stage: Stage, progress: Progress, display: Display) -> AsyncIterator[_Cast]:
    stack = stage.stack
    async with AsyncExitStack() as closing:
        client = await closing.enter_async_context(
            httpx.AsyncClient(
                base_url=stack.gateway_url,
                headers={"authorization": f"Bearer {stage.key}", "user-agent": "sluice-demo"},
                timeout=_TIMEOUT,
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=None),
                trust_env=False,
            )
        )
        redis = await closing.enter_async_context(Redis.from_url(stack.redis_url, decode_responses=True))
        database = await asyncpg.connect(stack.postgres_url)
        closing.push_async_callback(database.close)
        producer = new_producer(stack.kafka_url, "sluice-demo")
        closing.push_async_callback(producer.stop)
        await producer.start()
        witness = await closing.enter_async_context(watching(stack.kafka_url, stack.topic_prefix, progress))
        readers = Readers(client, progress)
        topic = SUBMIT.at(stack.topic_prefix)
        submitter = Submitter(client, producer, topic, readers, Notebook())
        yield _Cast(stage, client, redis, Books(database), witness, readers, submitter, display)


async def _sent(submitter: Submitter, errands: Sequence[Errand], half_way: asyncio.Event) -> None:
    """Each at its time; returns when the last answer that somebody waits for has been read.

    The last third waits until half of all have ended, and then comes in a rush: so there is work in hand for the worker
    that is killed then.
    """
    calm, rush = errands[: 2 * len(errands) // 3], errands[2 * len(errands) // 3 :]

    async def send(errand: Errand, delay: float) -> None:
        await asyncio.sleep(delay)
        await submitter.run(errand)

    async with asyncio.TaskGroup() as group:
        for errand in calm:
            group.create_task(send(errand, errand.at_seconds), name=errand.prompts[0].custom_id)
        await half_way.wait()
        for errand in rush:
            delay = (errand.at_seconds - rush[0].at_seconds) / _RUSH
            group.create_task(send(errand, delay), name=errand.prompts[0].custom_id)


async def _kill_half_way(cast: _Cast, jobs: int, half_way: asyncio.Event) -> Kill | None:
    """SIGKILL for one worker once half of the jobs have ended; None when that never was."""
    is_half_way = await cast.witness.until(lambda: 2 * len(cast.witness.ended) >= jobs, _HALF_SECONDS)
    half_way.set()
    if not is_half_way:
        return None
    keyspace = Keyspace(cast.stage.stack.namespace)
    began = time.monotonic()
    while True:
        running = [JobId(job) for job in cast.witness.unfinished]
        enough = max(jobs // 10, 1) if time.monotonic() - began < _BUSY_SECONDS else 1
        kill = await kill_busiest(cast.redis, keyspace, cast.stage.workers, running, at_least=enough)
        if kill is not None:
            cast.display.tell(f"SIGKILL for {kill.worker}, which is running {len(kill.jobs)} jobs")
            return kill
        await asyncio.sleep(_LOOK_SECONDS)


async def _read_again(cast: _Cast, seed: int) -> tuple[JobStream, ...]:
    """Every streamed job's log as it is now, and readers who come late, from somewhere in the middle."""
    at_once = asyncio.Semaphore(_READERS_AT_ONCE)
    readings = cast.submitter.notebook.readings

    async def read(job: str) -> JobStream:
        async with at_once:
            log = (await cast.readers.read(job, "the log", patience_seconds=_AGAIN_SECONDS)).events
            places = [log[int(part * len(log))].id for part in late_fractions(job, seed) if log]
            late = [
                await cast.readers.read(
                    job, f"late reader {number}", after=place, by_query=True, patience_seconds=_AGAIN_SECONDS
                )
                for number, place in enumerate(places, start=1)
            ]
        return JobStream(job, log, (*readings[job], *late))

    return tuple(await asyncio.gather(*map(read, readings)))


async def _books_closed(cast: _Cast) -> None:
    """Until providers and accounting have written down all; if they do not, the checks will say what is missing."""
    ends = {ending.job_id: ending for ending in cast.witness.endings}
    attempts = sum(len(ending.attempts) for ending in ends.values())
    if not await cast.books.until(lambda ended, calls: ended >= len(ends) and calls >= attempts, _BOOKS_SECONDS):
        cast.display.tell(f"accounting has not caught up after {_BOOKS_SECONDS:.0f} s")
    if not await all_calls_ended(cast.client, cast.stage.providers, _BOOKS_SECONDS):
        cast.display.tell(f"providers are still answering after {_BOOKS_SECONDS:.0f} s")


async def _gathered(cast: _Cast, streams: tuple[JobStream, ...], kill: Kill | None) -> Evidence:
    notebook, providers = cast.submitter.notebook, cast.stage.providers
    return Evidence(
        submissions=tuple(notebook.submissions),
        accepted=tuple(cast.witness.accepted),
        endings=tuple(cast.witness.endings),
        streams=streams,
        chats=tuple(notebook.chats),
        kills=(kill,) if kill else (),
        jobs=await cast.books.jobs(),
        ledger=await cast.books.ledger(),
        rollup=await cast.books.rollup(),
        served=await calls_served(cast.client, providers),
        unfinished_calls=await calls_under_way(cast.client, providers),
    )
