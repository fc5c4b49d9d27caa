"""What does recording an attempt cost? `python -m benchmarks.accounting [--json] [--record] [--events 600000]`.

On servers of its own, on Linux, with all roll-ups. First the steps in this process, without Kafka; then the service as
a process, from Kafka to the commit; then PostgreSQL is stopped, as many events again are produced meanwhile, and it is
started again: how quickly is that caught up with?

What a second of CPU does is told of accounting's process and of PostgreSQL's processes each for itself: a core is one
of whoever is named. On the clock both, Kafka and whoever produces share the cores of the machine.
"""

import argparse
import asyncio
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import asyncpg
import psutil
import uvloop

from benchmarks.report import Row, parser, report_of, tell
from benchmarks.system import Part, free_port, until_answers
from devstack.leash import leashed
from devstack.stack import Stack, erase, running_stack
from services.accounting.charging import enter
from services.accounting.consumption.reading import read_usage
from services.accounting.ledger.engine import engine_for
from services.accounting.ledger.usage_store import PostgresLedger
from services.accounting.migrations import migrate
from services.accounting.ports import Place
from services.accounting.settings import Settings
from shared.contracts import AttemptFinished, AttemptRole, AttemptStatus, Lane, TokenUsage, UsageSource
from shared.ids import attempt_id, new_id, new_job_id
from shared.kafka import ensure_topics, new_producer
from shared.lifecycle import spare_the_collector
from shared.prices import OwnPrices
from shared.prices.genai import GenaiPrices
from shared.topics import USAGE

PER_CORE_GOAL: Final = "at least 60,000"
CATCHING_UP_GOAL: Final = "at least 50,000"
BATCH: Final = Settings.model_fields["usage_batch_records"].default
WARM_UP: Final = 20_000
"""Events before anything is measured: plans, caches and code paths warm."""


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
        role=AttemptRole.FIRST,
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


@dataclass(slots=True)
class Watch:
    """CPU seconds of each step in this process."""

    reading: float = 0.0
    writing: float = 0.0

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        began = time.process_time()
        yield
        setattr(self, name, getattr(self, name) + time.process_time() - began)


def cpu_seconds(pid: int) -> float:
    """Of the process and all that it has started and is still there."""
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    times = [process.cpu_times() for process in family]
    return float(sum(each.user + each.system for each in times))


async def measure_steps(stack: Stack, events: int) -> list[Row]:
    """Read, charge and write, as the service does, without Kafka."""
    engine = engine_for(stack.urls.postgres_url)
    await migrate(engine)
    ledger, book = PostgresLedger(engine), OwnPrices((), GenaiPrices({}))

    async def record(values: Sequence[bytes]) -> Watch:
        watch = Watch()
        for at in range(0, len(values), BATCH):
            with watch.step("reading"):
                entries = [enter(read_usage(value), book) for value in values[at : at + BATCH]]
            with watch.step("writing"):
                await ledger.add(entries, {Place("benchmark", 0): at})
        return watch

    await record(event_bytes(WARM_UP))
    spare_the_collector()
    values = event_bytes(events)
    before = cpu_seconds(stack.postgres.pid or 0)
    watch = await record(values)
    postgres = cpu_seconds(stack.postgres.pid or 0) - before
    await engine.dispose()
    return [
        Row("steps: read and charge, accounting", watch.reading / events * 1e6, "µs CPU/event"),
        Row("steps: write, accounting", watch.writing / events * 1e6, "µs CPU/event"),
        Row("steps: per core of accounting", events / (watch.reading + watch.writing), "events/s", PER_CORE_GOAL),
        Row("steps: write with all roll-ups, PostgreSQL", postgres / events * 1e6, "µs CPU/event"),
        Row("steps: per core of PostgreSQL", events / postgres, "events/s"),
    ]


async def measure_service(stack: Stack, part: Part, topic: str, events: int) -> list[Row]:
    """From Kafka to the commit."""
    values = event_bytes(WARM_UP)
    await produce(stack.urls.kafka_url, topic, values)
    await until_recorded(stack, topic, WARM_UP)
    values = event_bytes(events)
    before, postgres_before = part.cpu_seconds, cpu_seconds(stack.postgres.pid or 0)
    await produce(stack.urls.kafka_url, topic, values)
    await until_recorded(stack, topic, WARM_UP + events)
    each = (part.cpu_seconds - before) / events
    postgres = (cpu_seconds(stack.postgres.pid or 0) - postgres_before) / events
    return [
        Row("service: Kafka to commit, accounting", each * 1e6, "µs CPU/event"),
        Row("service: per core of accounting", 1 / each, "events/s", PER_CORE_GOAL),
        Row("service: PostgreSQL", postgres * 1e6, "µs CPU/event"),
        Row("service: per core that both share", 1 / (each + postgres), "events/s"),
    ]


async def measure_catching_up(stack: Stack, topic: str, recorded: int, events: int) -> list[Row]:
    """PostgreSQL is away while so many events are produced."""
    values = event_bytes(events)
    await stack.postgres.stop()
    await produce(stack.urls.kafka_url, topic, values)
    await stack.postgres.start()
    await stack.postgres.ready()
    back = time.perf_counter()
    behind = recorded + events - await until_recorded(stack, topic, recorded + 1)
    began = time.perf_counter()
    await until_recorded(stack, topic, recorded + events)
    ended = time.perf_counter()
    return [
        Row("after an outage: events that waited", events, "events"),
        Row("after an outage: until the first of them were recorded", began - back, "s"),
        Row("after an outage: on the clock from then on", behind / (ended - began), "events/s", CATCHING_UP_GOAL),
    ]


@asynccontextmanager
async def service(stack: Stack, folder: Path, prefix: str) -> AsyncIterator[Part]:
    config, port = folder / "sluice.yaml", free_port()
    config.write_text("version: 1\n")
    environment = os.environ | {
        "KAFKA_URL": stack.urls.kafka_url,
        "REDIS_URL": stack.urls.redis_url,
        "POSTGRES_URL": stack.urls.postgres_url,
        "SLUICE_TOPIC_PREFIX": prefix,
        "SLUICE_NAMESPACE": prefix,
        "SLUICE_CONFIG": str(config),
        "SLUICE_LOG_LEVEL": "warning",
        "SLUICE_PROBE_HOST": "127.0.0.1",
        "SLUICE_ACCOUNTING_PROBE_PORT": str(port),
    }
    process = await leashed(
        [sys.executable, "-m", "services.accounting"], env=environment, log=folder / "accounting.log"
    )
    part = Part("accounting", process, f"http://127.0.0.1:{port}")
    try:
        await until_answers(f"{part.url}/readyz", part)
        yield part
    finally:
        await process.stop()


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


async def recorded_of(database: asyncpg.Connection, topic: str) -> int:
    return int(
        await database.fetchval("select coalesce(sum(next_offset), 0) from consumed_offsets where topic = $1", topic)
    )


async def until_recorded(stack: Stack, topic: str, events: int) -> int:
    """How many are recorded then: at least as many."""
    # One connection for all questions: to make one costs PostgreSQL as much as hundreds of events.
    database = await asyncpg.connect(stack.urls.postgres_url)
    try:
        async with asyncio.timeout(300):
            while (recorded := await recorded_of(database, topic)) < events:
                await asyncio.sleep(0.1)
    finally:
        await database.close()
    return recorded


async def _main(options: argparse.Namespace) -> None:
    folder = Path(tempfile.mkdtemp(prefix="sluice-bench-"))
    folder.chmod(0o711)  # PostgreSQL runs as somebody else when this runs as root, and must pass through
    try:
        async with running_stack(folder / "stack", environ={}) as stack:
            rows = await measure_steps(stack, options.events)
            prefix = new_id("bench") + "."
            topic = USAGE.at(prefix)
            await ensure_topics(stack.urls.kafka_url, prefix)
            async with service(stack, folder, prefix) as part:
                rows += await measure_service(stack, part, topic, options.events)
                rows += await measure_catching_up(stack, topic, WARM_UP + options.events, options.events)
    finally:
        erase(folder / "stack")
        shutil.rmtree(folder, ignore_errors=True)
    title = f"Recording usage events, with all roll-ups, in batches of at most {BATCH:,}"
    tell(report_of("accounting", title, rows), options)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--events", type=int, default=600_000)
    uvloop.run(_main(arguments.parse_args()))
