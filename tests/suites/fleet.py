"""Router workers as real processes, a simulated provider, and all that the fleet says on Kafka."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType

import httpx
import yaml
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from redis.asyncio import Redis

from devstack.leash import Leashed
from shared.contracts import AttemptFinished, DeadLetter, Door, Interruption, Job, JobEnded, Lane
from shared.ids import new_job_id
from shared.job_log import CANCEL, Entry, EventType, Keyspace, parse_entry
from shared.kafka import ensure_topics
from shared.redis import redis_client
from shared.topics import DEAD_LETTERS, JOBS, RESULTS, USAGE
from simulator import Config, Quota, Script, Simulator, running_simulator
from tests.suites.nursery import born
from tests.suites.ports import held_ports

__all__ = ["Fleet", "Servers", "Worker", "a_job", "running_fleet", "until"]


@dataclass(frozen=True, slots=True)
class Servers:
    kafka_url: str
    redis_url: str


def a_job(
    *,
    model: str = "m",
    streamed: bool = True,
    lane: Lane = Lane.INTERACTIVE,
    on_interrupt: Interruption = Interruption.RESTART,
    seconds: float = 60,
    content: str = "Tell me something.",
) -> Job:
    now = datetime.now(UTC)
    return Job(
        id=new_job_id(),
        tenant="acme",
        caller="web",
        door=Door.JOBS,
        lane=lane,
        model=model,
        body={"model": model, "messages": [{"role": "user", "content": content}], "stream": streamed},
        streamed=streamed,
        on_interrupt=on_interrupt,
        input_tokens=5,
        accepted_at=now,
        deadline=now + timedelta(seconds=seconds),
    )


async def until(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Wait for a condition; fails with `what` did not happen."""
    try:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"not within {seconds} s: {what}") from None


@dataclass(slots=True)
class Worker:
    process: Leashed
    log: Path
    probe_port: int

    async def ready(self, seconds: float = 120) -> None:
        said = "nothing"
        async with httpx.AsyncClient() as client:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    while self.process.returncode is None:
                        try:
                            answer = await client.get(f"http://127.0.0.1:{self.probe_port}/readyz")
                        except httpx.TransportError:
                            pass
                        else:
                            if answer.status_code == 200:
                                return
                            said = answer.text
                        await asyncio.sleep(0.05)
        raise AssertionError(f"not ready; /readyz said {said}; the log ends with\n{self.log.read_text()[-3000:]}")


@dataclass(slots=True)
class Fleet:
    servers: Servers
    prefix: str
    namespace: str
    folder: Path
    simulator: Simulator
    redis: Redis
    producer: AIOKafkaProducer
    free_port: Callable[[], int]
    results: list[JobEnded] = field(default_factory=list)
    told: list[AttemptFinished] = field(default_factory=list)
    """What the usage topic says, word for word: an attempt may be told of several times."""
    dead_letters: list[DeadLetter] = field(default_factory=list)
    workers: list[Worker] = field(default_factory=list)

    @property
    def keyspace(self) -> Keyspace:
        return Keyspace(self.namespace)

    async def start_worker(self, **env: str) -> Worker:
        number, port = len(self.workers), self.free_port()
        log = self.folder / f"worker-{number}.log"
        settings = {
            "KAFKA_URL": self.servers.kafka_url,
            "REDIS_URL": self.servers.redis_url,
            "SLUICE_CONFIG": str(self.folder / "sluice.yaml"),
            "SLUICE_NAMESPACE": self.namespace,
            "SLUICE_TOPIC_PREFIX": self.prefix,
            "SLUICE_PROBE_HOST": "127.0.0.1",
            "SLUICE_WORKER_PROBE_PORT": str(port),
            "SLUICE_WORKER_NAME": f"w{number}",
            "SLUICE_DEAD_AFTER_SECONDS": "1.5",
            "SLUICE_HEARTBEAT_SECONDS": "0.3",
            "SLUICE_DRAIN_SECONDS": "1",
        }
        process = await born("router_worker", env={**os.environ, **settings, **env}, log=log)
        worker = Worker(process, log, port)
        self.workers.append(worker)
        await worker.ready()
        return worker

    async def submit(self, *jobs: Job) -> None:
        for job in jobs:
            await self.producer.send(JOBS[job.lane].at(self.prefix), job.to_bytes(), key=job.id.encode())
        await self.producer.flush()

    async def cancel(self, job: Job) -> None:
        """As an ingress does it: mark the claim, tell the owner."""
        reply = await self.redis.register_script(CANCEL)([self.keyspace.job(job.id).claim], [60_000])
        if reply[0] == b"running":
            await self.redis.spublish(self.keyspace.worker_channel(reply[1].decode()), f"cancel {job.id}")

    async def log(self, job: Job) -> list[Entry]:
        rows = await self.redis.xrange(self.keyspace.job(job.id).log)
        return [parse_entry(entry_id, fields[b"d"]) for entry_id, fields in rows]

    async def shows(self, job: Job, deltas: int, seconds: float = 60) -> None:
        """Wait until the job's log holds so many deltas."""
        async with asyncio.timeout(seconds):
            while sum(entry.type is EventType.DELTA for entry in await self.log(job)) < deltas:
                await asyncio.sleep(0.02)

    async def dies_of(self, job: Job, times: int) -> None:
        """So many workers, one after another, are killed in the middle of its answer."""
        epoch = 0
        for _ in range(times):
            worker = await self.start_worker()
            async with asyncio.timeout(60):
                while not (told := [entry for entry in await self.log(job) if entry.type is EventType.DELTA]) or (
                    told[-1].cursor.epoch == epoch
                ):
                    await asyncio.sleep(0.02)
            epoch = told[-1].cursor.epoch
            os.kill(worker.process.pid, signal.SIGKILL)

    async def ended(self, *jobs: Job, seconds: float = 60) -> list[JobEnded]:
        """Wait until all of them have a result; in the order asked for."""
        wanted = {job.id for job in jobs}
        await until(lambda: wanted <= {result.job_id for result in self.results}, "all jobs end", seconds)
        by_id = {result.job_id: result for result in self.results}
        return [by_id[job.id] for job in jobs]

    def calls(self) -> Counter[str]:
        """How often each attempt reached the provider."""
        return Counter(call.client_request_id or "" for call in self.simulator.served())

    @property
    def usage(self) -> list[AttemptFinished]:
        """The attempts, each once and as it was told of first."""
        return list({attempt.attempt_id: attempt for attempt in reversed(self.told)}.values())[::-1]

    async def collect(self, ready: asyncio.Event) -> None:
        topics = {RESULTS.at(self.prefix), USAGE.at(self.prefix), DEAD_LETTERS.at(self.prefix)}
        consumer = AIOKafkaConsumer(
            *topics, bootstrap_servers=self.servers.kafka_url, auto_offset_reset="earliest", enable_auto_commit=False
        )
        await consumer.start()
        ready.set()
        try:
            async for record in consumer:
                if record.topic == RESULTS.at(self.prefix):
                    self.results.append(JobEnded.model_validate_json(record.value))
                elif record.topic == USAGE.at(self.prefix):
                    self.told.append(AttemptFinished.model_validate_json(record.value))
                else:
                    self.dead_letters.append(DeadLetter.model_validate_json(record.value))
        finally:
            await consumer.stop()


@asynccontextmanager
async def running_fleet(
    servers: Servers,
    folder: Path,
    name: str,
    *,
    scripts: dict[str, Script],
    quirks: dict[str, bool],
    apart: Collection[str] = (),
    quota: Quota | None = None,
    limits: Mapping[str, object] = MappingProxyType({}),
    dialects: Mapping[str, str] = MappingProxyType({}),
    strategy: str = "priority",
    settings: Mapping[str, object] = MappingProxyType({}),
    keys: Sequence[str] = (),
    wrong_keys: Sequence[str] = (),
    hedge: Mapping[str, object] | None = None,
    bulkheads: Mapping[str, Mapping[str, object] | None] = MappingProxyType({}),
) -> AsyncIterator[Fleet]:
    """A fleet without workers yet. Each script is a model; `m`, if it is none, is served by all, by the `strategy`,
    except those `apart`, for whom neither the `quota` that the simulator enforces nor the `limits` that the workers
    keep are. A model is spoken to in OpenAI's dialect, if `dialects` names no other.
    `settings` are added to the file. The workers have `keys`, and behind them `wrong_keys`, which nobody takes.
    """
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(
            running_simulator(
                Config(
                    models=scripts,
                    quotas={name: quota for name in scripts if quota and name not in apart},
                    api_keys=tuple(keys),
                )
            )
        )
        serving = [model for model in scripts if model not in apart]
        at = {"base_url": f"{simulator.url}/v1", "quirks": quirks, "keys": [*keys, *wrong_keys]}
        served = {
            model: {
                "provider": dialects.get(model, "sim"),
                "model": model,
                "limits": {} if model in apart else dict(limits),
                "bulkhead": bulkheads.get(model),
            }
            for model in scripts
        }
        models = {"m": {"deployments": [served[model] for model in serving], "strategy": strategy, "hedge": hedge}}
        config = {
            "providers": {"sim": at, **{dialect: {**at, "dialect": dialect} for dialect in dialects.values()}},
            "models": models | {name: {"deployments": [served[name]]} for name in scripts},
            "retries": {"per_deployment": 0, "base_delay_seconds": 0.05},
            **settings,
        }
        (folder / "sluice.yaml").write_text(yaml.safe_dump(config))
        redis = redis_client(servers.redis_url, call_seconds=5)
        stack.push_async_callback(redis.aclose, close_connection_pool=True)
        producer = AIOKafkaProducer(bootstrap_servers=servers.kafka_url, acks="all", enable_idempotence=True)
        await producer.start()
        stack.push_async_callback(producer.stop)
        prefix = f"{name}."
        await ensure_topics(servers.kafka_url, prefix)
        free_port = stack.enter_context(held_ports())
        fleet = Fleet(servers, prefix, name, folder, simulator, redis, producer, free_port)
        ready = asyncio.Event()
        collecting = asyncio.create_task(fleet.collect(ready))
        await ready.wait()
        try:
            yield fleet
        finally:
            for worker in fleet.workers:
                worker.process.kill()
            await asyncio.gather(*(worker.process.wait() for worker in fleet.workers))
            collecting.cancel()
            await asyncio.gather(collecting, return_exceptions=True)
