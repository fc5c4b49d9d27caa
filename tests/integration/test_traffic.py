"""Workers tell each other how busy the deployments are, on a real Redis."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from redis.asyncio import Redis

from services.router_worker.fleet.traffic import TrafficExchange
from services.router_worker.routing.traffic import Reading, Traffic
from shared.job_log import Keyspace

pytestmark = pytest.mark.connected

NOW = datetime(2026, 11, 20, tzinfo=UTC)


async def test_each_hears_of_the_others_and_not_of_itself(redis: Redis, fresh_name: Callable[[str], str]) -> None:
    keyspace = Keyspace(fresh_name("ns"))
    one, other = Traffic(), Traffic()
    one.began("d")
    one.answered("d", 0.5, NOW.timestamp())
    first = TrafficExchange(redis, keyspace, "w1", one, lambda: NOW)
    await first.exchange()
    await TrafficExchange(redis, keyspace, "w2", other, lambda: NOW).exchange()
    await first.exchange()
    assert other.of("d", NOW.timestamp()) == Reading(1, 0.5)
    assert one.of("d", NOW.timestamp()) == Reading(1, 0.5)


async def test_who_fell_silent_is_not_counted(redis: Redis, fresh_name: Callable[[str], str]) -> None:
    keyspace = Keyspace(fresh_name("ns"))
    await redis.hset(keyspace.traffic, mapping={"gone": '1 {"d":[9,null]}', "tomorrow": "what is this"})
    traffic = Traffic()
    await TrafficExchange(redis, keyspace, "w1", traffic, lambda: NOW).exchange()
    assert traffic.of("d", 0.0) == Reading()
    assert await redis.hkeys(keyspace.traffic) == [b"w1"]
