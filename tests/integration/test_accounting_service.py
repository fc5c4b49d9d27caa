"""Accounting as it runs: from Kafka's topics to PostgreSQL's tables, through outages, rebalances and SIGKILL."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from shared.contracts import DeadLetter, DeadLetterReason
from shared.kafka import ensure_topics, new_producer
from shared.topics import DEAD_LETTERS, JOBS_BATCH, RESULTS, USAGE
from tests.suites.accounting import a_job, an_attempt, an_end, attempts
from tests.suites.running_accounting import (
    Place,
    accounting,
    as_records,
    assert_ledger_and_roll_up_hold,
    committed,
    produce,
    recorded,
    until,
)


@pytest.fixture
async def place(kafka_url: str, database: str, topic_prefix: str) -> Place:
    await ensure_topics(kafka_url, topic_prefix)
    return Place(kafka_url, database, topic_prefix)


@pytest.fixture
async def producer(kafka_url: str) -> AsyncIterator[AIOKafkaProducer]:
    producer = new_producer(kafka_url, "test")
    await producer.start()
    yield producer
    await producer.stop()


async def test_attempts_jobs_and_results_arrive_in_their_tables(place: Place, producer: AIOKafkaProducer) -> None:
    job = a_job()
    event = an_attempt(job=job.id)
    await produce(producer, place, JOBS_BATCH, [(job.id, job.to_bytes())])
    await produce(producer, place, USAGE, [(job.tenant, event.to_bytes())])
    await produce(producer, place, RESULTS, [(job.id, an_end(job.id).to_bytes())])

    async def complete() -> bool:
        found = await place.rows("select status, cost_nanodollars, door from jobs join job_costs using (job_id)")
        return found == [("succeeded", 120 * 1000 + 50 * 2000, "topic")]

    async with accounting(place):
        await until(complete)


async def test_what_is_committed_is_what_is_stored(place: Place, producer: AIOKafkaProducer) -> None:
    events = attempts(300)
    async with accounting(place):
        await produce(producer, place, USAGE, as_records(events))
        await recorded(place, len(events))
    stored = await place.rows("select topic, partition, next_offset from consumed_offsets")
    offsets = await committed(place, "usage")
    assert {TopicPartition(str(topic), partition): offset for topic, partition, offset in stored} == offsets
    assert sum(offsets.values()) == len(events)


async def test_bad_records_go_to_the_dead_letters_and_hold_up_nothing(place: Place, producer: AIOKafkaProducer) -> None:
    good = attempts(20)
    odd = an_attempt(user="a\x00b")
    too_much = an_attempt().model_copy(update={"epoch": 2**40})
    no_day = an_attempt().to_bytes().replace(b'"ended_at":"2026-11-20', b'"ended_at":"2026-11-31')
    records = [*as_records([*good[:10], odd, too_much, *good[10:]]), ("k", no_day)]
    await produce(producer, place, USAGE, [("k", b"no json"), *records[:12], ("k", b'{"tenant": 1}'), *records[12:]])
    async with accounting(place):
        await recorded(place, len(good) + 1)
        letters = await dead_letters(place, 4)
    assert await place.rows("select end_user from usage_ledger where end_user is not null") == [("a\ufffdb",)]
    assert sorted(letter.reason for letter in letters) == [
        DeadLetterReason.SCHEMA,
        DeadLetterReason.SCHEMA,
        DeadLetterReason.SCHEMA,
        DeadLetterReason.UNDECODABLE,
    ]
    assert {letter.value for letter in letters} == {b"no json", b'{"tenant": 1}', too_much.to_bytes(), no_day}
    assert {(letter.topic, letter.service) for letter in letters} == {(USAGE.at(place.topic_prefix), "accounting")}


async def dead_letters(place: Place, count: int) -> list[DeadLetter]:
    consumer = AIOKafkaConsumer(
        DEAD_LETTERS.at(place.topic_prefix), bootstrap_servers=place.kafka_url, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        async with asyncio.timeout(20):
            return [DeadLetter.model_validate_json((await consumer.getone()).value) for _ in range(count)]
    finally:
        await consumer.stop()


class Cable:
    """A way to a server that can be cut: connections through it break, new ones are refused."""

    def __init__(self, host: str, port: int, at: int) -> None:
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.port = at

    async def plug_in(self) -> None:
        self._server = await asyncio.start_server(self._join, "127.0.0.1", self.port)

    async def cut(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in self._open:
            writer.transport.abort()
        self._open.clear()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        if writer.transport.is_closing():  # cut before it was whole
            far_writer.close()
            return
        self._open.add(far_writer)
        await asyncio.gather(self._copy(reader, far_writer), self._copy(far_reader, writer))

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()


@pytest.fixture
async def cable(database: str, free_port: Callable[[], int]) -> AsyncIterator[Cable]:
    url = urlsplit(database)
    cable = Cable(url.hostname or "", url.port or 5432, free_port())
    await cable.plug_in()
    yield cable
    await cable.cut()


async def test_while_postgres_is_away_everything_waits_and_nothing_is_lost(
    place: Place, producer: AIOKafkaProducer, cable: Cable
) -> None:
    url = urlsplit(place.postgres_url)
    netloc = f"{url.username}:{url.password}@127.0.0.1:{cable.port}"
    events = attempts(400)
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(
            accounting(place, postgres_url=urlunsplit(url._replace(netloc=netloc)))
        )
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=f"http://127.0.0.1:{running.probe_port}"))

        async def ready() -> bool:
            return (await client.get("/readyz")).status_code == 200

        await produce(producer, place, USAGE, as_records(events[:100]))
        await recorded(place, 100)
        await until(ready)
        await cable.cut()
        await produce(producer, place, USAGE, as_records(events[100:]))

        async def waiting() -> bool:
            return "recording" in (await client.get("/readyz")).json()["missing"]

        await until(waiting)
        assert (await client.get("/livez")).status_code == 200
        assert await place.attempts_recorded() == 100
        await cable.plug_in()
        await recorded(place, len(events))
        await until(ready)
    await assert_ledger_and_roll_up_hold(place, events)


async def test_two_replicas_share_the_work_and_one_may_leave(place: Place, producer: AIOKafkaProducer) -> None:
    events = attempts(2000, seed=9)
    async with accounting(place):
        async with accounting(place, usage_batch_records="50"):
            await produce(producer, place, USAGE, as_records(events[:1500]))
            await recorded(place, 500)
        await produce(producer, place, USAGE, as_records(events[1500:]))
        await recorded(place, len(events))
    await assert_ledger_and_roll_up_hold(place, events)


async def test_a_killed_process_neither_loses_nor_repeats_an_attempt(
    place: Place, producer: AIOKafkaProducer, tmp_path: Path
) -> None:
    config = tmp_path / "sluice.yaml"
    config.write_text('prices: [{provider: openai, model: "*", input: 1, output: 2}]\n')
    environment = os.environ | {
        "KAFKA_URL": place.kafka_url,
        "POSTGRES_URL": place.postgres_url,
        "SLUICE_TOPIC_PREFIX": place.topic_prefix,
        "SLUICE_NAMESPACE": place.topic_prefix,
        "SLUICE_CONFIG": str(config),
        "SLUICE_ACCOUNTING_PROBE_PORT": "0",
        "SLUICE_USAGE_BATCH_RECORDS": "20",
    }
    events = attempts(3000, seed=11)
    await produce(producer, place, USAGE, as_records(events))
    for target in (1, 1500, len(events)):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.accounting", env=environment, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            await recorded(place, target, seconds=60)
        finally:
            process.send_signal(signal.SIGKILL)
            await process.wait()
    await assert_ledger_and_roll_up_hold(place, events)
