"""Calls of a provider as a router worker makes them, and servers that are no provider."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

from services.router_worker.events import AttemptEvent, Chunk, Failed
from services.router_worker.failures import Failure
from services.router_worker.providers.transport import Providers
from services.router_worker.routing.plan import Candidate
from shared.clock import utc_now
from shared.config.schema import Provider, Timeouts
from shared.contracts import Door, Interruption, Job, Lane
from shared.ids import AttemptId, attempt_id, new_job_id

TEST_SECONDS = 10
PATIENT = Timeouts(connect_seconds=5, first_token_seconds=5, between_tokens_seconds=5, total_seconds=10)


@asynccontextmanager
async def connected(base_url: str, **more: Any) -> AsyncIterator[Providers]:
    section = {"base_url": base_url, "api_key": "sk-secret", "headers": {"x-team": "blue"}, **more}
    async with Providers({"p": Provider.model_validate(section)}, utc_now) as providers:
        yield providers


@asynccontextmanager
async def listening(greeting: bytes, *, for_ever: bytes = b"") -> AsyncIterator[str]:
    """A server that says its own to everybody: `host:port`."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await reader.read(10)
            writer.write(greeting)
            while for_ever:
                writer.write(for_ever)
                await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


def a_job(*, streamed: bool = True, seconds: float = 60, **body: Any) -> Job:
    now = utc_now()
    return Job(
        id=new_job_id(),
        tenant="t",
        caller="c",
        door=Door.JOBS,
        lane=Lane.BATCH,
        model="m",
        body={"model": "m", "messages": [{"role": "user", "content": "Tell me."}], **body},
        streamed=streamed,
        on_interrupt=Interruption.RESTART,
        input_tokens=3,
        accepted_at=now,
        deadline=now + timedelta(seconds=seconds),
    )


def a_candidate(script: str = "", timeouts: Timeouts = PATIENT) -> Candidate:
    return Candidate("p/m", "p", f"m;{script}" if script else "m", "m", timeouts)


def name_of(job: Job) -> AttemptId:
    return attempt_id(job.id, 1)


async def called(
    providers: Providers, script: str = "", *, job: Job | None = None, timeouts: Timeouts = PATIENT, resume: str = ""
) -> list[AttemptEvent]:
    job = job or a_job()
    async with asyncio.timeout(TEST_SECONDS):
        calls = providers.attempt(job, a_candidate(script, timeouts), name_of(job), resume or None, job.deadline)
        async with aclosing(calls) as events:
            return [event async for event in events]


async def failed(providers: Providers, script: str, **call: Any) -> Failure:
    ending = (await called(providers, script, **call))[-1]
    assert isinstance(ending, Failed)
    return ending.failure


async def until(condition: Callable[[], bool], seconds: float = TEST_SECONDS) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.002)


async def busy_reading(seconds: float) -> None:
    later = time.monotonic() + seconds
    await until(lambda: time.monotonic() > later)


def text_of(events: list[AttemptEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, Chunk))
