"""Does this server answer? One real request each, through the client libraries that Sluice itself uses."""

import asyncio
import contextlib
from dataclasses import replace

from devstack.server import NotAnswering
from shared.kafka_access import KafkaAccess

ANSWER_SECONDS = 3.0


async def ask_kafka(url: str, access: KafkaAccess | None = None) -> None:
    """A metadata request that names at least one broker able to take records; `access` says as whom."""
    await _connects(url)
    from aiokafka.client import AIOKafkaClient
    from aiokafka.errors import KafkaError

    options = replace(access or KafkaAccess(url), url=url).client()
    client = AIOKafkaClient(**options, request_timeout_ms=int(ANSWER_SECONDS * 1000))
    try:
        await client.bootstrap()
        if not client.cluster.brokers():
            raise NotAnswering("it names no broker")
    except (KafkaError, OSError) as error:
        raise NotAnswering(str(error) or type(error).__name__) from error
    finally:
        await client.close()


async def ask_valkey(url: str) -> None:
    """PING; a server that still loads its data refuses it."""
    from redis.exceptions import RedisError

    from shared.redis import redis_client

    try:
        client = redis_client(url, call_seconds=ANSWER_SECONDS)
    except ValueError as error:
        raise NotAnswering(str(error)) from error
    try:
        await client.ping()
    except (RedisError, OSError) as error:
        raise NotAnswering(str(error) or type(error).__name__) from error
    finally:
        await client.aclose(close_connection_pool=True)


async def ask_postgres(url: str) -> None:
    """A query over TCP, after the password has been accepted."""
    import asyncpg

    try:
        connection = await asyncpg.connect(url, timeout=ANSWER_SECONDS)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        raise NotAnswering(str(error) or type(error).__name__) from error
    try:
        await connection.fetchval("select 1", timeout=ANSWER_SECONDS)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        raise NotAnswering(str(error) or type(error).__name__) from error
    finally:
        await connection.close(timeout=ANSWER_SECONDS)


async def _connects(addresses: str) -> None:
    """Knock first: the Kafka client logs an error for every port it finds closed."""
    for address in addresses.split(","):
        host, _, port = address.rpartition(":")
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS):
                _, writer = await asyncio.open_connection(host, int(port))
            writer.close()
            return
    raise NotAnswering(f"nothing listens at {addresses}")
