"""The three real servers from outside: they answer, they keep what they were given, they come and go."""

import asyncpg
from redis.asyncio import Redis


async def test_the_database_has_vectors(database: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        await connection.execute("create extension vector")
        assert await connection.fetchval("select '[1,2,2]'::vector <-> '[0,0,0]'::vector") == 3.0
    finally:
        await connection.close()


async def test_redis_refuses_rather_than_forgets(redis_url: str) -> None:
    async with Redis.from_url(redis_url) as redis:
        assert (await redis.config_get("maxmemory-policy"))["maxmemory-policy"] == "noeviction"
