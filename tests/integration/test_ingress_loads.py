"""Which workers live, by what they show in Redis."""

from collections.abc import Callable

import pytest
from redis.asyncio import Redis

from services.ingress.adapters.redis_loads import RedisLoads
from services.ingress.backlogs import Backlogs
from shared.contracts import Lane
from shared.job_log import Keyspace
from shared.redis import redis_client
from shared.telemetry import Instruments
from tests.suites.served_ingress import IDLE


class Watch:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def backlogs(watch: Watch) -> Backlogs:
    return Backlogs({}, lambda _: None, Instruments("test"), watch)


@pytest.fixture
def keyspace(fresh_name: Callable[[str], str]) -> Keyspace:
    return Keyspace(fresh_name("ns"))


def is_served(backlogs: Backlogs) -> bool:
    wait = backlogs.wait(Lane.INTERACTIVE, "acme", "gpt-4o")
    assert wait is not None
    return wait.workers


async def test_a_worker_lives_as_long_as_what_it_shows_changes(
    redis: Redis, keyspace: Keyspace, backlogs: Backlogs, watch: Watch
) -> None:
    loads = RedisLoads(redis, keyspace, backlogs, clock=watch)
    for beat in range(3):
        await redis.hset(keyspace.loads, "w1", IDLE.model_copy(update={"beat": beat}).to_bytes())
        await loads.look()
        assert is_served(backlogs)
        watch.now += 4
    watch.now += 2
    await loads.look()
    assert not is_served(backlogs)
    watch.now += 60
    await loads.look()
    assert await redis.hgetall(keyspace.loads) == {}


async def test_what_cannot_be_read_is_no_worker(
    redis: Redis, keyspace: Keyspace, backlogs: Backlogs, watch: Watch
) -> None:
    await redis.hset(keyspace.loads, "w1", b'{"of": "another version"}')
    await RedisLoads(redis, keyspace, backlogs, clock=watch).look()
    assert not is_served(backlogs)


async def test_while_redis_is_away_nobody_knows(keyspace: Keyspace, backlogs: Backlogs, watch: Watch) -> None:
    backlogs.told([IDLE])
    nowhere = redis_client("redis://127.0.0.1:9/0", call_seconds=0.5)
    await RedisLoads(nowhere, keyspace, backlogs, clock=watch).look()
    assert backlogs.wait(Lane.INTERACTIVE, "acme", "gpt-4o") is None
    await nowhere.aclose(close_connection_pool=True)
