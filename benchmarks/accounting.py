"""What does recording an attempt cost? `python -m benchmarks.accounting [--json]`, on servers of its own, on Linux.

Figures are CPU time, not time on the clock: of this process for the steps, of the service's own process for the whole
way from Kafka to the commit, of its backend for PostgreSQL.
"""

import argparse
import asyncio
import gc
import json
import os
import platform
import random
import shutil
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import uvloop
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from devstack.stack import Stack, erase, running_stack
from services.accounting.charging import enter
from services.accounting.consumption.reading import read_usage
from services.accounting.ledger.engine import engine_for
from services.accounting.ledger.usage_store import PostgresLedger
from services.accounting.migrations import migrate
from services.accounting.ports import Place
from shared.contracts import AttemptFinished, AttemptStatus, Lane, TokenUsage, UsageSource
from shared.ids import attempt_id, new_id, new_job_id
from shared.kafka import ensure_topics, new_producer
from shared.prices import OwnPrices
from shared.prices.genai import GenaiPrices
from shared.topics import USAGE

PROBE_PORT = 29_117
CPU_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Figure:
    name: str
    value: float
    unit: str


def an_event(chance: random.Random, now: datetime) -> AttemptFinished:
    job = new_job_id()
    began = now + timedelta(milliseconds=chance.randrange(3000))
    upstream = chance.choice(("gpt-4o-mini", "gpt-4o", "gpt-5", "gpt-5-mini"))
    return AttemptFinished(
        attempt_id=attempt_id(job, 1),
        job_id=job,
        attempt=1,
        epoch=1,
        tenant=f"tenant-{chance.randrange(20)}",
        caller=f"key-{chance.randrange(3)}",
        feature=chance.choice(("search", "summary", None)),
        lane=chance.choice(tuple(Lane)),
        model_asked=upstream,
        model_served=f"{upstream}-2026-01-01",
        provider="openai",
        deployment=f"openai/{upstream}",
        upstream_model=upstream,
        status=AttemptStatus.SUCCEEDED,
        usage=TokenUsage(
            uncached_input=chance.randrange(4000), cache_read=chance.randrange(900), output=chance.randrange(800)
        ),
        usage_source=UsageSource.PROVIDER,
        finish_reason="stop",
        accepted_at=now,
        started_at=began,
        first_token_at=began + timedelta(milliseconds=400),
        ended_at=began + timedelta(seconds=4),
    )


def event_bytes(count: int) -> list[bytes]:
    chance, now = random.Random(1), datetime.now(UTC)
    return [an_event(chance, now).to_bytes() for _ in range(count)]


class Stopwatch:
    """CPU microseconds per event of each step, this process only."""

    def __init__(self, events: int) -> None:
        self._events = events
        self._seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        began = time.process_time()
        yield
        self._seconds[name] = self._seconds.get(name, 0.0) + time.process_time() - began

    def figures(self) -> list[Figure]:
        each = {name: seconds / self._events * 1e6 for name, seconds in self._seconds.items()}
        return [Figure(name, value, "µs CPU/event") for name, value in each.items()]


async def measure_steps(engine: AsyncEngine, events: int, batch: int) -> list[Figure]:
    """Read, charge and insert, as the service does, without Kafka."""
    ledger, book = PostgresLedger(engine), OwnPrices((), GenaiPrices({}))
    values = event_bytes(events)
    watch = Stopwatch(events)
    async with engine.connect() as connection:
        backend = await connection.scalar(text("select pg_backend_pid()"))
    database_before = cpu_seconds(backend)
    for at in range(0, events, batch):
        with watch.step("read and charge"):
            entries = [enter(read_usage(value), book) for value in values[at : at + batch]]
        with watch.step("insert, client"):
            await ledger.add(entries, {Place("benchmark", 0): at})
    figures = watch.figures()
    whole = sum(figure.value for figure in figures)
    return [
        *figures,
        Figure("together", whole, "µs CPU/event"),
        Figure("events per core of the client", 1e6 / whole, "events/s"),
        Figure("insert, PostgreSQL", (cpu_seconds(backend) - database_before) / events * 1e6, "µs CPU/event"),
    ]


async def measure_service(stack: Stack, events: int) -> list[Figure]:
    """The service as a process: how soon it is ready, what it weighs, what an event costs it in all."""
    prefix = new_id("bench") + "."
    await ensure_topics(stack.urls.kafka_url, prefix)
    config = stack.data / "sluice.yaml"
    config.write_text("version: 1\n")
    async with service(stack, prefix, config) as (process, ready_seconds):
        await asyncio.sleep(3)
        idle = resident_megabytes(process)
        cpu_before, began = cpu_seconds(process), time.perf_counter()
        await produce(stack.urls.kafka_url, USAGE.at(prefix), event_bytes(events))
        await until_recorded(stack.urls.postgres_url, USAGE.at(prefix), events)
        took = time.perf_counter() - began
        each = (cpu_seconds(process) - cpu_before) / events * 1e6
        return [
            Figure("import and ready", ready_seconds, "s"),
            Figure("resident memory, idle", idle, "MB"),
            Figure("resident memory, after the run", resident_megabytes(process), "MB"),
            Figure("whole service, Kafka to commit", each, "µs CPU/event"),
            Figure("events per core of the service", 1e6 / each, "events/s"),
            Figure("on the clock, producer and servers on the same cores", events / took, "events/s"),
        ]


@asynccontextmanager
async def service(stack: Stack, prefix: str, config: Path) -> AsyncIterator[tuple[int, float]]:
    environment = os.environ | {
        "KAFKA_URL": stack.urls.kafka_url,
        "POSTGRES_URL": stack.urls.postgres_url,
        "SLUICE_TOPIC_PREFIX": prefix,
        "SLUICE_NAMESPACE": prefix,
        "SLUICE_CONFIG": str(config),
        "SLUICE_ACCOUNTING_PROBE_PORT": str(PROBE_PORT),
    }
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "services.accounting", env=environment)
    try:
        async with asyncio.timeout(60):
            while not await asyncio.to_thread(is_ready):
                await asyncio.sleep(0.02)
        yield process.pid, time.perf_counter() - began
    finally:
        process.terminate()
        await process.wait()


def is_ready() -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{PROBE_PORT}/readyz", timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


async def produce(kafka_url: str, topic: str, values: Sequence[bytes]) -> None:
    producer = new_producer(kafka_url, "benchmark")
    await producer.start()
    try:
        for at in range(0, len(values), 1000):
            sent = [
                await producer.send(topic, value, key=b"%d" % (at + i))
                for i, value in enumerate(values[at : at + 1000])
            ]
            await asyncio.gather(*sent)
    finally:
        await producer.stop()


async def until_recorded(postgres_url: str, topic: str, events: int) -> None:
    engine = engine_for(postgres_url)
    written = text("select coalesce(sum(next_offset), 0) from consumed_offsets where topic = :topic")
    async with asyncio.timeout(300), engine.connect() as connection:
        while await connection.scalar(written, {"topic": topic}) < events:
            await connection.rollback()
            await asyncio.sleep(0.2)
    await engine.dispose()


def cpu_seconds(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / CPU_TICKS


def resident_megabytes(pid: int) -> float:
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(status["VmRSS"].split()[0]) / 1024


def machine() -> dict[str, str | int]:
    return {"python": platform.python_version(), "system": platform.platform(), "cores": os.cpu_count() or 0}


async def measure(events: int, batch: int) -> list[Figure]:
    folder = Path(tempfile.mkdtemp(prefix="sluice-bench-"))
    folder.chmod(0o711)  # PostgreSQL runs as somebody else when this runs as root, and must pass through
    try:
        async with running_stack(folder / "stack") as stack:
            engine = engine_for(stack.urls.postgres_url)
            await migrate(engine)
            await measure_steps(engine, batch, batch)  # plans, caches and code paths warm
            spare_the_collector()
            figures = await measure_steps(engine, events, batch)
            await engine.dispose()
            return [*figures, *await measure_service(stack, events)]
    finally:
        erase(folder / "stack")
        shutil.rmtree(folder, ignore_errors=True)


def spare_the_collector() -> None:
    """As the service does at its start (`services.accounting.__main__`)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def main(show: Callable[[str], None] = print) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accounting", description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--batch", type=int, default=2000, help="events in a transaction")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures = uvloop.run(measure(arguments.events, arguments.batch))
    if arguments.json:
        show(json.dumps({"machine": machine(), "figures": [asdict(figure) for figure in figures]}, ensure_ascii=False))
        return
    show("  ".join(f"{name}: {value}" for name, value in machine().items()))
    for figure in figures:
        show(f"{figure.name:<55} {figure.value:>12,.1f} {figure.unit}")


if __name__ == "__main__":
    main()
