from collections.abc import AsyncIterator, Callable

import pytest
from redis.asyncio import Redis

from shared.redis import redis_client
from tests.suites.served_ingress import Place


@pytest.fixture
def place(kafka_url: str, redis_url: str, database: str, topic_prefix: str, fresh_name: Callable[[str], str]) -> Place:
    """Topics, keys and tables for an ingress of the test's own."""
    return Place(kafka_url, redis_url, database, fresh_name("ns"), topic_prefix)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = redis_client(redis_url, call_seconds=5)
    yield client
    await client.aclose(close_connection_pool=True)
