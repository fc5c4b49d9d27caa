"""Ingress served on real Kafka, Valkey and PostgreSQL, and behind it a worker that plays what a prompt asks for."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from sqlalchemy.ext.asyncio import AsyncEngine

from services.accounting.ledger.engine import engine_for
from services.accounting.migrations import migrate
from services.ingress.settings import IngressSettings
from services.ingress.wiring import wire
from shared.config import hash_key
from shared.config.schema import Config
from shared.contracts import DeadLetter, Job, JobError, JobStatus, Lane
from shared.ids import new_id
from shared.job_log import Cursor, Entry, EventType, Keyspace
from shared.kafka import ensure_topics
from shared.load import LaneLoad, WorkerLoad
from shared.redis import redis_client
from shared.topics import DEAD_LETTERS, JOBS, SUBMIT
from tests.suites.ingress import ADMIN_KEY, AUTH, TENANTS, a_chunk, an_end
from tests.suites.redis_worker import RedisWriter

__all__ = [
    "IDLE",
    "Place",
    "ServedIngress",
    "StandIn",
    "fresh_place",
    "lane_load",
    "serving_ingress",
    "the_config",
    "until",
]


def lane_load(**fields: object) -> LaneLoad:
    """Of a worker that has nothing to do."""
    idle = {"slots": 64, "free": 64, "job_seconds": 1.0, "waiting": {}, "unnamed": 0, "partitions": tuple(range(8))}
    return LaneLoad.model_validate(idle | fields)


IDLE = WorkerLoad(beat=0, lanes={lane: lane_load() for lane in Lane})


@dataclass(frozen=True, slots=True)
class Place:
    """Where a test's own topics, keys and tables are."""

    kafka_url: str
    redis_url: str
    postgres_url: str
    namespace: str
    topic_prefix: str

    def settings(self, replica: str = "r1", **others: object) -> IngressSettings:
        return IngressSettings(
            kafka_url=self.kafka_url,
            redis_url=self.redis_url,
            postgres_url=self.postgres_url,
            namespace=self.namespace,
            topic_prefix=self.topic_prefix,
            port=0,
            replica=f"{self.namespace}-{replica}",
            drain_seconds=1,
            **{"postgres_seconds": 20} | others,  # type: ignore[arg-type] # a server that is slow is not away
        )


@asynccontextmanager
async def fresh_place(kafka_url: str, redis_url: str, postgres_url: str) -> AsyncIterator[Place]:
    """One that several tests share."""
    name = new_id("place")
    administrator = await asyncpg.connect(postgres_url)
    try:
        await administrator.execute(f'create database "{name}"')
        database = urlunsplit(urlsplit(postgres_url)._replace(path=f"/{name}"))
        yield Place(kafka_url, redis_url, database, name, f"{name}.")
        await administrator.execute(f'drop database "{name}" with (force)')
    finally:
        await administrator.close()


def the_config(**sections: object) -> Config:
    models = {name: {"deployments": [{"provider": "one"}]} for name in ("gpt-4o", "gpt-4o-mini")}
    models["tiny"] = models["gpt-4o"] | {"context_window": 20}  # type: ignore[assignment]
    return Config.model_validate(
        {
            "tenants": {name: tenant.model_dump() for name, tenant in TENANTS.items()},
            "administrators": {"ops": {"hash": hash_key(ADMIN_KEY)}},
            "submit_topics": {SUBMIT.name: {"tenant": "acme", "caller": "web"}},
            "providers": {"one": {"base_url": "http://127.0.0.1:9/v1"}},
            "models": models,
        }
        | sections
    )


@dataclass(slots=True)
class StandIn:
    """A worker, as far as ingress can tell: takes jobs from both lanes and plays the last word of the prompt.

    `fail` before anything is said, `break` after a delta, `hang` until it is cancelled; anything else is answered with
    three deltas.
    """

    writer: RedisWriter
    jobs: list[Job] = field(default_factory=list)
    traceparents: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    load: WorkerLoad | None = IDLE
    """What it shows of how busy it is; None shows nothing."""
    _taken: set[str] = field(default_factory=set)

    async def run(self, consumer: AIOKafkaConsumer) -> None:
        async with asyncio.TaskGroup() as playing:
            playing.create_task(self._hear())
            playing.create_task(self._show())
            async for record in consumer:
                job = Job.model_validate_json(record.value)
                self.jobs.append(job)
                self.traceparents.append(dict(record.headers)["traceparent"].decode())
                playing.create_task(self._play(job))

    async def _play(self, job: Job) -> None:
        if job.id in self._taken:
            return  # the record came twice
        self._taken.add(job.id)
        if await self.writer.redis.hexists(self.writer.keyspace.job(job.id).claim, "outcome"):
            return  # played by one before this, and read again
        last: object = job.body["messages"][-1].get("content")  # type: ignore[index, call-overload, union-attr]
        await self.writer.take(job, "stand-in")
        match str(last).rpartition(" ")[2]:
            case "fail":
                error = JobError(
                    status_code=429, message="Slow down.", type="rate_limit_error", code="rate_limit_exceeded"
                )
                await self.writer.end(job, an_end(job, status=JobStatus.FAILED, error=error), 2)
            case "break":
                await self._say(job, 2, "Half")
                error = JobError(status_code=502, message="Cut.", type="server_error", code="stream_interrupted")
                await self.writer.end(job, an_end(job, status=JobStatus.FAILED, error=error), 3)
            case "hang":
                await self._say(job, 2, "Hm")
            case _:
                for seq, text in enumerate(("Hel", "lo", "."), 2):
                    await self._say(job, seq, text)
                await self.writer.end(job, an_end(job, text="Hello."), 5)

    async def _say(self, job: Job, seq: int, text: str) -> None:
        if job.streamed:
            await self.writer.append(job, Entry(Cursor(1, seq), EventType.DELTA, a_chunk(job, text)))

    async def shows(self, load: WorkerLoad | None) -> None:
        """From now on."""
        self.load = load
        if load is None:
            await self.writer.redis.hdel(self.writer.keyspace.loads, "stand-in")

    async def _show(self) -> None:
        for beat in itertools.count():
            if self.load is not None:
                shown = self.load.model_copy(update={"beat": beat})
                await self.writer.redis.hset(self.writer.keyspace.loads, "stand-in", shown.to_bytes())
            await asyncio.sleep(0.2)

    async def _hear(self) -> None:
        async with self.writer.redis.pubsub() as pubsub:
            await pubsub.ssubscribe(self.writer.keyspace.worker_channel("stand-in"))
            async for message in pubsub.listen():
                if message["type"] != "smessage":
                    continue
                told = message["data"].decode().removeprefix("cancel ")
                self.cancelled.append(told)
                job = next(job for job in self.jobs if job.id == told)
                await self.writer.end(job, an_end(job, status=JobStatus.CANCELLED), 9)


@dataclass(slots=True)
class ServedIngress:
    place: Place
    ports: list[int]
    worker: StandIn
    producer: AIOKafkaProducer
    letters: list[DeadLetter]
    archive: AsyncEngine

    def url(self, replica: int = 0) -> str:
        return f"http://127.0.0.1:{self.ports[replica]}"

    def client(self, replica: int = 0) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url(replica), headers=AUTH, timeout=20, trust_env=False)

    async def publish(
        self, *records: bytes | None, headers: Sequence[tuple[str, bytes]] = (), unix_ms: int = 1_700_000_000_000
    ) -> None:
        for record in records:
            await self.producer.send_and_wait(
                SUBMIT.at(self.place.topic_prefix),
                record,
                key=b"k",
                headers=list(headers),
                timestamp_ms=unix_ms,
            )


@asynccontextmanager
async def serving_ingress(
    place: Place, *, replicas: int = 1, config: Config | None = None
) -> AsyncIterator[ServedIngress]:
    await ensure_topics(place.kafka_url, place.topic_prefix)
    async with AsyncExitStack() as stack:
        archive = engine_for(place.postgres_url)
        stack.push_async_callback(archive.dispose)
        await migrate(archive)
        redis = redis_client(place.redis_url, call_seconds=5)
        stack.push_async_callback(redis.aclose, close_connection_pool=True)
        worker = StandIn(RedisWriter(redis, Keyspace(place.namespace)))
        jobs = await _consumer(stack, place, *(topic.at(place.topic_prefix) for topic in JOBS.values()))
        await stack.enter_async_context(_running(worker.run(jobs)))
        letters: list[DeadLetter] = []
        buried = await _consumer(stack, place, DEAD_LETTERS.at(place.topic_prefix))
        await stack.enter_async_context(_running(_collect(buried, letters)))
        producer = AIOKafkaProducer(bootstrap_servers=place.kafka_url)
        await producer.start()
        stack.push_async_callback(producer.stop)
        ports = [
            await stack.enter_async_context(wire(place.settings(f"r{number}"), config or the_config()))
            for number in range(replicas)
        ]
        served = ServedIngress(place, ports, worker, producer, letters, archive)
        for number in range(replicas):
            await _ready(served, number)
        yield served


async def _consumer(stack: AsyncExitStack, place: Place, *topics: str) -> AIOKafkaConsumer:
    consumer = AIOKafkaConsumer(*topics, bootstrap_servers=place.kafka_url, auto_offset_reset="earliest")
    await consumer.start()
    stack.push_async_callback(consumer.stop)
    return consumer


async def _collect(consumer: AIOKafkaConsumer, letters: list[DeadLetter]) -> None:
    async for record in consumer:
        if record.value is None:
            continue  # a decision about one
        letter = DeadLetter.model_validate_json(record.value)
        letters.append(letter)


@asynccontextmanager
async def _running(run: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(run)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            task.result()


async def _ready(served: ServedIngress, replica: int) -> None:
    async with served.client(replica) as client, asyncio.timeout(30):
        while (answer := await client.get("/readyz")).status_code != 200:
            assert answer.status_code == 503
            await asyncio.sleep(0.05)


async def until(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    try:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"not within {seconds} s: {what}") from None
