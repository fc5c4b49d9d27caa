"""What do users do, one errand after the other? Each brings in its work, and stays with it as long as its kind does."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

import aiohttp
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from chaos.bench.stand import Stand
from chaos.facts import Fate, Kind, Submission, Transcript
from chaos.load.http_doors import HttpDoors, line_of
from chaos.load.notebook import Notebook
from chaos.load.plan import Errand, ReaderPlan
from chaos.load.readers import Readers
from shared.kafka import new_producer

__all__ = ["GRACE_SECONDS", "Users", "users_of"]

GRACE_SECONDS: Final = 30.0
"""How long behind a job's deadline its readers still wait for its end."""
_SEND_SECONDS: Final = 60.0
_CHAT_SILENCES: Final = 5


@dataclass(frozen=True, slots=True)
class Users:
    doors: HttpDoors
    producer: AIOKafkaProducer
    submit_topic: str
    readers: Readers
    notebook: Notebook

    async def go(self, errands: Sequence[Errand]) -> None:
        """Each at its time; returns when the last of them has got all it waits for."""
        began = time.monotonic()

        async def at_its_time(errand: Errand) -> None:
            await asyncio.sleep(began + errand.at - time.monotonic())
            await self._run(errand)

        async with asyncio.TaskGroup() as group:
            for errand in errands:
                group.create_task(at_its_time(errand), name=errand.name)

    async def _run(self, errand: Errand) -> None:
        match errand.kind:
            case Kind.STREAM | Kind.PLAIN:
                await self._job(errand)
            case Kind.LINES:
                self.notebook.submissions += await self.doors.lines(errand)
            case Kind.TOPIC:
                self.notebook.submissions.append(await self._record(errand))
            case Kind.CHAT:
                await self._chat(errand)

    async def _job(self, errand: Errand) -> None:
        submission = await self.doors.job(errand)
        job = submission.job
        if job is None:
            self.notebook.submissions.append(submission)
            return
        async with asyncio.TaskGroup() as group:
            for plan in errand.readers:
                group.create_task(self._read(errand, job, plan))
            if errand.cancels_after is not None:
                await asyncio.sleep(errand.cancels_after)
                submission = replace(submission, cancelled_at=time.time())
                group.create_task(self.doors.cancel(job, self.doors.key(errand), errand.door))
            self.notebook.submissions.append(submission)

    async def _chat(self, errand: Errand) -> None:
        chat = await self.doors.chat(errand)
        submission = chat.submission
        self.notebook.submissions.append(submission)
        if submission.job is None or submission.fate is not Fate.ACCEPTED or submission.cancelled_at is not None:
            return
        if chat.completed:
            whole = Transcript(f"{errand.name}/chat", submission.job, (), (), ended=True, shown=chat.chunks)
            self.notebook.transcripts.append(whole)
            return
        (plan,) = errand.readers
        await self._read(errand, submission.job, plan, chat.chunks)

    async def _read(self, errand: Errand, job: str, plan: ReaderPlan, shown: Sequence[bytes] = ()) -> None:
        patience = errand.seconds + GRACE_SECONDS
        transcript = await self.readers.read(job, self.doors.key(errand), plan, patience, shown)
        self.notebook.transcripts.append(transcript)

    async def _record(self, errand: Errand) -> Submission:
        sent_at, fate, told = time.time(), Fate.ACCEPTED, ""
        headers = [("sluice-deadline", f"{errand.seconds:g}".encode())]
        try:
            async with asyncio.timeout(_SEND_SECONDS):
                line = line_of(errand, errand.name)
                await self.producer.send_and_wait(self.submit_topic, line, headers=headers)
        except (KafkaError, TimeoutError) as error:
            fate, told = Fate.UNKNOWN, repr(error)
        return Submission(
            errand.name,
            errand.kind,
            errand.model,
            sent_at,
            fate,
            told=told,
            tenant=errand.tenant,
            seconds=errand.seconds,
        )


@asynccontextmanager
async def users_of(stand: Stand) -> AsyncIterator[Users]:
    async with AsyncExitStack() as closing:
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        session = await closing.enter_async_context(
            aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None))
        )
        # Its own way to Kafka: what is tested is the gateway, not this producer.
        producer = new_producer(stand.servers.kafka.url, "chaos-producer")
        closing.push_async_callback(producer.stop)
        await producer.start()
        keepalive = stand.wishes.keepalive_seconds
        doors = HttpDoors(session, stand.gateways, stand.setting.keys, keepalive * _CHAT_SILENCES)
        readers = Readers(session, stand.gateways, keepalive)
        yield Users(doors, producer, stand.setting.submit_topic, readers, Notebook())
