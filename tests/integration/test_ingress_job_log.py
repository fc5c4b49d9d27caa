"""The job log on real Redis: it behaves as specified, and every transcript stays whole whatever dies."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.ingress.adapters.follower import Cause
from services.ingress.adapters.followers import Followers
from services.ingress.adapters.listener import Listener
from services.ingress.adapters.reachability import Reachability
from services.ingress.adapters.redis_log import RedisJobLog
from services.ingress.ports import Cancellation, Dependency, UnavailableError
from shared.clock import utc_now
from shared.job_log import START, Keyspace
from shared.redis import redis_client
from tests.suites.ingress import a_job, an_end
from tests.suites.job_log_readers import JobLogReaders, deltas, read_to_the_end
from tests.suites.redis_worker import RedisWriter


@dataclass(slots=True)
class Replica:
    """One ingress, as far as the log goes."""

    job_log: RedisJobLog
    listener: Listener
    followers: Followers
    causes: list[Cause]
    hearing: "asyncio.Task[None]"


@asynccontextmanager
async def replica(redis_url: str, namespace: str, name: str, *, bound: int = 1024) -> AsyncIterator[Replica]:
    causes: list[Cause] = []
    keyspace = Keyspace(namespace)
    redis = redis_client(redis_url, call_seconds=10)
    followers = Followers(causes.append, queue_bound=bound)
    reachability = Reachability(Dependency.REDIS)
    listener = Listener(redis, keyspace, name, followers, reachability, lambda: None, ping_seconds=0.5)
    job_log = RedisJobLog(
        redis, keyspace, name, followers, kept=timedelta(minutes=5), longest=timedelta(minutes=5), clock=utc_now
    )
    running = asyncio.create_task(listener.run())
    try:
        async with asyncio.timeout(30):
            while not reachability.is_up():
                await asyncio.sleep(0.005)
        yield Replica(job_log, listener, followers, causes, running)
    finally:
        running.cancel()
        await asyncio.wait({running})
        await redis.aclose(close_connection_pool=True)


@pytest.fixture
def namespace(fresh_name: Callable[[str], str]) -> str:
    return fresh_name("ns")


class TestRedisJobLog(JobLogReaders):
    @pytest.fixture
    async def job_log(self, redis_url: str, namespace: str) -> AsyncIterator[RedisJobLog]:
        async with replica(redis_url, namespace, "r1") as one:
            yield one.job_log

    @pytest.fixture
    async def writer(self, redis: Redis, namespace: str) -> RedisWriter:
        return RedisWriter(redis, Keyspace(namespace))


async def test_a_slow_reader_of_real_redis_reads_the_log_again_and_misses_nothing(
    redis_url: str, redis: Redis, namespace: str
) -> None:
    writer = RedisWriter(redis, Keyspace(namespace))
    job = a_job()
    async with replica(redis_url, namespace, "r1", bound=5) as one, one.job_log.follow(job.id, START) as following:
        await writer.take(job)
        await writer.append(job, *deltas(job, 1, *range(2, 200)))
        await writer.end(job, an_end(job), 200)
        _, *seqs = [entry.cursor.seq for entry in await read_to_the_end(following)]
    assert seqs == list(range(1, 201))
    assert Cause.OVERFLOW in one.causes


async def test_without_redis_following_is_refused_and_a_follower_waits(redis_url: str, namespace: str) -> None:
    async with replica(redis_url, namespace, "r1"):
        nowhere = redis_client("redis://127.0.0.1:1/0", call_seconds=0.2)
        job_log = RedisJobLog(
            nowhere,
            Keyspace(namespace),
            "r2",
            Followers(lambda _: None, queue_bound=8),
            kept=timedelta(minutes=5),
            longest=timedelta(minutes=5),
            clock=utc_now,
        )
        for call in (job_log.look(a_job().id), job_log.cancel(a_job().id), job_log.accept(a_job())):
            with pytest.raises(UnavailableError):
                await call
        with pytest.raises(UnavailableError):
            async with job_log.follow(a_job().id, START):
                raise AssertionError("entered")
        await nowhere.aclose(close_connection_pool=True)


async def test_a_cancellation_reaches_the_worker_that_owns_the_job(
    redis_url: str, redis: Redis, namespace: str
) -> None:
    keyspace = Keyspace(namespace)
    writer = RedisWriter(redis, keyspace)
    job = a_job()
    async with replica(redis_url, namespace, "r1") as one, redis.pubsub() as worker:
        await worker.ssubscribe(keyspace.worker_channel("w9"))
        await one.job_log.accept(job)
        await writer.take(job, "w9")
        await one.job_log.cancel(job.id)
        async with asyncio.timeout(30):
            while (message := await worker.get_message(timeout=1)) is None or message["type"] != "smessage":
                pass
    assert message["data"] == f"cancel {job.id}".encode()


async def test_an_ingress_nobody_hears_any_more_is_dropped_from_the_readers(
    redis_url: str, redis: Redis, namespace: str
) -> None:
    keyspace = Keyspace(namespace)
    writer = RedisWriter(redis, keyspace)
    job = a_job()
    async with (
        replica(redis_url, namespace, "dies") as dying,
        replica(redis_url, namespace, "stays") as stays,
        dying.job_log.follow(job.id, START),
        stays.job_log.follow(job.id, START) as following,
    ):
        readers = keyspace.job(job.id).readers
        assert await redis.scard(readers) == 2
        dying.hearing.cancel()
        await asyncio.wait({dying.hearing})
        await writer.take(job)
        await writer.append(job, *deltas(job, 1, 2))
        await writer.end(job, an_end(job), 3)
        await read_to_the_end(following)
        assert await redis.smembers(readers) == {keyspace.ingress_channel("stays", job.id).encode()}


async def test_a_replica_that_nobody_hears_keeps_no_job_alive(redis_url: str, redis: Redis, namespace: str) -> None:
    job = a_job()
    async with (
        replica(redis_url, namespace, "dies") as dying,
        replica(redis_url, namespace, "stays") as stays,
        dying.job_log.follow(job.id, START),
    ):
        await stays.job_log.accept(job)
        assert await stays.job_log.abandon(job.id) is Cancellation.FOLLOWED
        dying.hearing.cancel()
        await asyncio.wait({dying.hearing})
        assert await stays.job_log.abandon(job.id) is Cancellation.QUEUED


async def test_transcripts_stay_whole_while_connections_and_the_log_itself_are_lost(
    redis_url: str, redis: Redis, namespace: str
) -> None:
    """Readers at three replicas drop and resume anywhere; pub/sub connections are killed and the job's keys deleted."""
    keyspace = Keyspace(namespace)
    writer = RedisWriter(redis_client(redis_url, call_seconds=5), keyspace)
    chance = random.Random(7)
    jobs, count = [a_job() for _ in range(12)], 60
    wrong: list[str] = []

    async def work(job: object) -> None:
        await patiently(lambda: writer.take(job))  # type: ignore[arg-type]
        for seq in range(2, count):
            await patiently(lambda seq=seq: writer.append(job, *deltas(job, 1, seq)))  # type: ignore[arg-type, misc]
            await asyncio.sleep(chance.random() * 0.04)
        await harming  # a log that is lost behind its end is the archive's business, not the log's
        await patiently(lambda: writer.append(job))  # type: ignore[arg-type]
        await patiently(lambda: writer.end(job, an_end(job), count))  # type: ignore[arg-type]

    async def patiently(call: Callable[[], object]) -> None:
        while True:
            try:
                await call()  # type: ignore[misc]
            except (RedisError, OSError):
                await asyncio.sleep(0.01)
            else:
                return

    async def read(job: object, replicas: list[Replica]) -> None:
        cursor, seen = START, []
        while not (seen and seen[-1].type.is_terminal):
            async with chance.choice(replicas).job_log.follow(job.id, cursor) as following:  # type: ignore[attr-defined]
                seen += await read_to_the_end(following, stop_after=chance.choice((None, 5, 20)))
            cursor = seen[-1].cursor
        if [entry.cursor.seq for entry in seen if entry.cursor.epoch] != list(range(1, count + 1)):
            wrong.append(str([str(entry.cursor) for entry in seen]))

    async def harm() -> None:
        for _ in range(6):
            await asyncio.sleep(0.25)
            await redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            victim = keyspace.job(chance.choice(jobs).id)
            await redis.delete(victim.log, victim.readers)

    async with AsyncExitStack() as stack:
        replicas = [await stack.enter_async_context(replica(redis_url, namespace, f"r{n}", bound=16)) for n in range(3)]
        harming = asyncio.create_task(harm())
        reading = [asyncio.create_task(read(job, replicas)) for job in jobs for _ in range(3)]
        working = [asyncio.create_task(work(job)) for job in jobs]
        await asyncio.gather(*working, *reading)
        causes = {cause for each in replicas for cause in each.causes}
    await writer.redis.aclose(close_connection_pool=True)
    assert wrong == []
    assert writer.refills > 0
    assert Cause.RECONNECT in causes
