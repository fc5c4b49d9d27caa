"""The three servers as everybody gets them: real ones, set up as Sluice needs them."""

import json
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from redis.asyncio import Redis

from devstack.probes import ask_kafka, ask_postgres, ask_valkey
from devstack.server import External, ServersUnavailable
from devstack.stack import Stack, running_stack


async def test_a_record_produced_is_consumed(kafka_url: str, topic_prefix: str) -> None:
    topic = f"{topic_prefix}records"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_url)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 2, 1)])
    finally:
        await admin.close()
    async with (
        AIOKafkaProducer(bootstrap_servers=kafka_url, acks="all", enable_idempotence=True) as producer,
        AIOKafkaConsumer(topic, bootstrap_servers=kafka_url, auto_offset_reset="earliest") as consumer,
    ):
        await producer.send_and_wait(topic, b"hello")
        assert (await consumer.getone()).value == b"hello"


async def test_a_topic_nobody_created_does_not_come_into_being(kafka_url: str, topic_prefix: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_url)
    await admin.start()
    try:
        described = await admin.describe_topics([f"{topic_prefix}typo"])
        assert [topic["error_code"] for topic in described] == [3]  # UNKNOWN_TOPIC_OR_PARTITION
    finally:
        await admin.close()


async def test_redis_refuses_rather_than_forgets(redis_url: str) -> None:
    async with Redis.from_url(redis_url) as redis:
        settings = await redis.config_get("maxmemory-policy", "appendonly", "appendfsync")
    assert settings == {"maxmemory-policy": "noeviction", "appendonly": "yes", "appendfsync": "everysec"}


async def test_the_database_has_vectors(database: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        await connection.execute("create extension vector")
        assert await connection.fetchval("select '[1,2,2]'::vector <-> '[0,0,0]'::vector") == 3.0
    finally:
        await connection.close()


async def test_postgres_wants_the_password(postgres_url: str) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(postgres_url, password="guessed")


async def test_postgres_keeps_what_it_has_confirmed(postgres_url: str) -> None:
    connection = await asyncpg.connect(postgres_url)
    try:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            assert await connection.fetchval("select current_setting($1)", setting) == "on"
    finally:
        await connection.close()


async def test_a_running_stack_says_where_everything_is(servers: Stack) -> None:
    told = json.loads(servers.record.read_text())
    assert told["kafka_url"] == servers.urls.kafka_url
    assert {name: server["pid"] for name, server in told["servers"].items()} == {
        server.name: server.pid for server in servers.servers
    }


async def test_servers_named_in_the_environment_are_taken_as_they_are(servers: Stack, tmp_path: Path) -> None:
    named = {
        "KAFKA_URL": servers.urls.kafka_url,
        "REDIS_URL": servers.urls.redis_url,
        "POSTGRES_URL": servers.urls.postgres_url,
    }
    async with running_stack(tmp_path / "other", environ=named) as other:
        assert other.urls == servers.urls
        assert [server.pid for server in other.servers] == [None, None, None]
        with pytest.raises(ServersUnavailable, match="The kafka that KAFKA_URL names is not ours to kill"):
            await other.kafka.kill()
    await servers.kafka.ready()
    await servers.valkey.ready()
    await servers.postgres.ready()


@pytest.mark.parametrize(
    ("variable", "url"),
    [
        ("KAFKA_URL", "127.0.0.1:1"),
        ("REDIS_URL", "redis://127.0.0.1:1/0"),
        ("POSTGRES_URL", "postgresql://someone:secret@127.0.0.1:1/sluice"),
    ],
)
async def test_a_named_server_that_does_not_answer_is_reported_by_its_variable_without_its_password(
    variable: str, url: str
) -> None:
    probe = {"KAFKA_URL": ask_kafka, "REDIS_URL": ask_valkey, "POSTGRES_URL": ask_postgres}[variable]
    with pytest.raises(ServersUnavailable, match=f"that {variable} names does not answer within 0.1 s") as refusal:
        await External("server", url, probe, variable).ready(within_seconds=0.1)
    assert "secret" not in str(refusal.value)
