"""Budgets as they run: ingress's book, Kafka's topics, accounting and the ledger, through the loss of the book."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from redis.asyncio import Redis

from cli.environment import Environment, discover
from cli.spending.auditing import audited
from services.accounting.auditing.comparing import Span
from services.accounting.wiring import wire
from services.ingress.adapters.redis_budgets import RedisBudgets
from services.ingress.ports import UnavailableError
from shared.budgets import rules_of
from shared.clock import utc_now
from shared.config import Config
from shared.contracts import BudgetAlert, Job, Reserved, TokenUsage
from shared.ids import job_unix_ms
from shared.job_log import Keyspace
from shared.kafka import ensure_topics, new_producer
from shared.redis import redis_client
from shared.topics import ALERTS, JOBS_BATCH, RESULTS, USAGE
from tests.suites.accounting import a_job, an_attempt, an_end
from tests.suites.running_accounting import Place, produce, until

CENT = 10_000_000
CONFIG = Config.model_validate(
    {
        "tenants": {"acme": {"budgets": [{"dollars": "0.10", "per": "day"}]}},
        "prices": [{"provider": "openai", "model": "*", "input": 1, "output": 2}],
    }
)
[RULE] = rules_of(CONFIG)["acme"]


class Stage:
    """One tenant with a budget of ten cents."""

    def __init__(self, place: Place, producer: AIOKafkaProducer, redis: Redis, keyspace: Keyspace) -> None:
        self.place = place
        self.redis = redis
        self.keys = keyspace.budgets("acme")
        self._producer = producer
        self._door = RedisBudgets(redis, keyspace, utc_now)

    async def held(self, cents: int) -> Job | None:
        """A job that may cost so much, if there is room for it."""
        job = a_job()
        submitted = datetime.fromtimestamp(job_unix_ms(job.id) / 1000, UTC)
        reserved = Reserved(nanodollars=cents * CENT, windows=(RULE.window(submitted),))
        short = await self._door.hold(job.id, reserved, [RULE])
        return None if short else job.model_copy(update={"reserved": reserved})

    async def queue(self, job: Job) -> None:
        await produce(self._producer, self.place, JOBS_BATCH, [(job.id, job.to_bytes())])

    async def end(self, job: Job, cents: int) -> None:
        usage = TokenUsage(uncached_input=cents * CENT // 1000)
        event, ended = an_attempt(job=job.id, usage=usage, at=utc_now()), an_end(job.id)
        ended = ended.model_copy(update={"usage": usage, "ended_at": event.ended_at})
        await produce(self._producer, self.place, USAGE, [(job.tenant, event.to_bytes())])
        await produce(self._producer, self.place, RESULTS, [(job.id, ended.to_bytes())])

    async def until_settled(self, cents: int) -> None:
        """So much is spent, by the book, and nothing held."""

        async def settled() -> bool:
            spent = await self.redis.hget(self.keys[0], f"s:{RULE.window(utc_now())}")
            return spent == b"%d" % (cents * CENT) and not await self.redis.hlen(self.keys[1])

        await until(settled)

    async def until_open(self) -> None:
        """A book may be open before the sum of a budget in it is known: requests under that one wait."""

        async def is_open() -> bool:
            return None not in await self.redis.hmget(self.keys[0], "run", f"k:{RULE.name}")

        await until(is_open)


@pytest.fixture
async def stage(kafka_url: str, redis_url: str, database: str, topic_prefix: str) -> AsyncIterator[Stage]:
    await ensure_topics(kafka_url, topic_prefix)
    producer = new_producer(kafka_url, "test")
    await producer.start()
    redis = redis_client(redis_url, call_seconds=20)
    yield Stage(Place(kafka_url, database, topic_prefix), producer, redis, Keyspace(topic_prefix))
    await redis.aclose(close_connection_pool=True)
    await producer.stop()


@asynccontextmanager
async def accounting(stage: Stage, redis_url: str) -> AsyncIterator[None]:
    settings = stage.place.settings(redis_url=redis_url, budget_reopen_seconds="1")
    async with wire(settings, CONFIG, asyncio.Event()):
        yield


async def test_what_is_held_is_settled_and_what_is_spent_is_refused(stage: Stage, redis_url: str) -> None:
    with pytest.raises(UnavailableError):
        await stage.held(1)
    async with accounting(stage, redis_url):
        await stage.until_open()
        first = await stage.held(8)
        assert first is not None
        assert await stage.held(3) is None
        await stage.queue(first)
        await stage.end(first, 2)
        await stage.until_settled(2)
        second = await stage.held(8)
        assert second is not None
        assert await stage.held(1) is None
        await stage.queue(second)
        await stage.end(second, 8)
        await stage.until_settled(10)
        assert await stage.held(1) is None


async def test_a_lost_book_comes_back_with_what_was_spent_and_what_is_held(stage: Stage, redis_url: str) -> None:
    async with accounting(stage, redis_url):
        await stage.until_open()
        done, running = await stage.held(3), await stage.held(4)
        assert done is not None
        assert running is not None
        for job in (done, running):
            await stage.queue(job)
        await stage.end(done, 3)
        await until(lambda: _is(stage.redis.hlen(stage.keys[1]), 1))
        await stage.redis.delete(*stage.keys)  # as a flush does
        with pytest.raises(UnavailableError):
            await stage.held(1)
        await stage.until_open()
        assert await stage.held(4) is None
        assert await stage.held(3) is not None


async def test_accounting_that_died_between_the_ledger_and_the_book_settles_when_it_comes_back(
    stage: Stage, redis_url: str
) -> None:
    async with accounting(stage, redis_url):
        await stage.until_open()
        job = await stage.held(5)
        assert job is not None
        await stage.queue(job)
        await stage.end(job, 5)
        await stage.until_settled(5)
    # As it would stand had it died before.
    window = RULE.window(utc_now())
    await stage.redis.hset(stage.keys[0], mapping={f"s:{window}": 0, f"r:{window}": 0, f"h:{window}": 5 * CENT})
    await stage.redis.hset(stage.keys[1], job.id, f"{5 * CENT} 1\n{window}")
    async with accounting(stage, redis_url):
        await stage.until_settled(5)


async def test_the_alerts_of_a_budget_are_told_on_their_topic(stage: Stage, redis_url: str) -> None:
    async with accounting(stage, redis_url):
        await stage.until_open()
        job = await stage.held(9)
        assert job is not None
        await stage.queue(job)
        await stage.end(job, 9)
        await stage.until_settled(9)
        heard = await alerts(stage, 2)
    assert [(alert.budget, alert.percent) for alert in heard] == [("day", 50), ("day", 80)]


async def test_the_audit_finds_the_book_as_the_ledger_says_and_names_what_is_not(stage: Stage, redis_url: str) -> None:
    async with accounting(stage, redis_url):
        await stage.until_open()
        job = await stage.held(5)
        assert job is not None
        await stage.queue(job)
        await stage.end(job, 5)
        await stage.until_settled(5)
    now = utc_now().replace(minute=0, second=0, microsecond=0)
    span = Span(now, now + timedelta(hours=2))
    assert (await audited(environment(stage, redis_url), span)).differences == ()
    window = RULE.window(utc_now())
    await stage.redis.hincrby(stage.keys[0], f"s:{window}", 7)
    await stage.redis.hset(stage.keys[0], f"h:{window}", 9)
    found = {
        each.between: (each.first, each.second)
        for each in (await audited(environment(stage, redis_url), span)).differences
    }
    assert found["budget_spend, book in Redis"] == (str(5 * CENT), str(5 * CENT + 7))
    assert found["book in Redis, its holds"] == ("9", "0")


def environment(stage: Stage, redis_url: str) -> Environment:
    told = {
        "KAFKA_URL": stage.place.kafka_url,
        "POSTGRES_URL": stage.place.postgres_url,
        "REDIS_URL": redis_url,
        "SLUICE_TOPIC_PREFIX": stage.place.topic_prefix,
        "SLUICE_NAMESPACE": stage.place.topic_prefix,
    }
    return discover(told, Path("/nowhere"))


async def alerts(stage: Stage, count: int) -> list[BudgetAlert]:
    consumer = AIOKafkaConsumer(
        ALERTS.at(stage.place.topic_prefix),
        bootstrap_servers=stage.place.kafka_url,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        async with asyncio.timeout(20):
            return [BudgetAlert.model_validate_json((await consumer.getone()).value) for _ in range(count)]
    finally:
        await consumer.stop()


async def _is(found: object, expected: int) -> bool:
    return await found == expected  # type: ignore[misc, no-any-return]
