"""Servers of somebody else's are left as they were found: the demo takes a corner of its own there, and clears it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.errors import OperatorError
from shared.ids import new_id

__all__ = ["borrowed_servers"]


@asynccontextmanager
async def borrowed_servers(environ: Mapping[str, str]) -> AsyncIterator[Mapping[str, str]]:
    """What the environment has to say besides, for the servers it names. Nothing of ours is left there afterwards.

    Raises OperatorError when a server does not let us.
    """
    name = new_id("demo")
    async with AsyncExitStack() as closing:
        lent: dict[str, str] = {}
        if url := environ.get("POSTGRES_URL"):
            lent["POSTGRES_URL"] = await closing.enter_async_context(_database(url, name))
        if url := environ.get("REDIS_URL"):
            lent["SLUICE_NAMESPACE"] = name
            closing.push_async_callback(_forget_keys, url, f"{name}:*")
        if url := environ.get("KAFKA_URL"):
            # The groups on that broker are named after the namespace.
            lent |= {"SLUICE_NAMESPACE": name, "SLUICE_TOPIC_PREFIX": f"{name}."}
            closing.push_async_callback(_delete_topics, url, f"{name}.")
        yield lent


@asynccontextmanager
async def _database(url: str, name: str) -> AsyncIterator[str]:
    try:
        await _execute(url, f'create database "{name}"')
    except (OSError, asyncpg.PostgresError) as error:
        raise OperatorError(f"The demo needs a database of its own at POSTGRES_URL, and gets none: {error}.") from error
    try:
        yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
    finally:
        await _execute(url, f'drop database "{name}" with (force)')


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _forget_keys(url: str, pattern: str) -> None:
    try:
        async with Redis.from_url(url) as redis:
            keys = [key async for key in redis.scan_iter(pattern, count=1000)]
            if keys:
                await redis.unlink(*keys)
    except RedisError as error:
        raise OperatorError(f"The keys {pattern} at REDIS_URL could not be deleted: {error}.") from error


async def _delete_topics(url: str, prefix: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=url, client_id="sluice-demo")
    try:
        await admin.start()
        ours = [name for name in await admin.list_topics() if name.startswith(prefix)]
        if ours:
            await admin.delete_topics(ours)
    except KafkaError as error:
        raise OperatorError(f"The topics {prefix}* at KAFKA_URL could not be deleted: {error}.") from error
    finally:
        await admin.close()
