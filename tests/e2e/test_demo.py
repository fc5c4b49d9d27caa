"""`sluice demo` as a visitor runs it, on servers that are somebody else's: everything once, and nothing is left."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from redis.asyncio import Redis

from devstack.stack import Stack

StartDemo = Callable[..., Awaitable[Process]]


@pytest.fixture
async def start_demo(servers: Stack, tmp_path: Path) -> AsyncIterator[StartDemo]:
    urls = servers.urls
    named = {"KAFKA_URL": urls.kafka_url, "REDIS_URL": urls.redis_url, "POSTGRES_URL": urls.postgres_url}
    started: list[Process] = []

    async def start(*arguments: str) -> Process:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "cli", "demo", *arguments),
            env={**os.environ, **named, "TMPDIR": str(tmp_path)},
            stdout=PIPE,
            stderr=PIPE,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.returncode is None:
            process.terminate()
            await process.communicate()


async def of_demos(servers: Stack) -> set[str]:
    """Whatever stands at the servers under the name of a demo."""
    admin = AIOKafkaAdminClient(bootstrap_servers=servers.urls.kafka_url)
    await admin.start()
    try:
        topics = await admin.list_topics()
    finally:
        await admin.close()
    async with Redis.from_url(servers.urls.redis_url, decode_responses=True) as redis:
        keys = [str(key) async for key in redis.scan_iter("*demo_*", count=1000)]
    connection = await asyncpg.connect(servers.urls.postgres_url)
    try:
        databases = [row["datname"] for row in await connection.fetch("select datname from pg_database")]
    finally:
        await connection.close()
    return {name for name in (*topics, *keys, *databases) if "demo_" in name}


async def nothing_stands(servers: Stack) -> None:
    """Soon: a broker still tells of a topic for a moment after its controller has deleted it."""
    for _ in range(100):
        if not (left := await of_demos(servers)):
            break
        await asyncio.sleep(0.2)
    assert left == set()


async def test_every_check_holds_and_borrowed_servers_are_left_as_they_were(
    servers: Stack, start_demo: StartDemo, tmp_path: Path
) -> None:
    process = await start_demo("--json", "--jobs", "24", "--seed", "3")
    answer, log = await process.communicate()
    assert process.returncode == 0, log.decode()[-3000:]
    outcome = json.loads(answer)
    assert {check["claim"] for check in outcome["checks"] if not check["holds"]} == set()
    assert outcome["jobs"] == {"accepted": {"chat": 8, "jobs": 8, "topic": 8}, "ended": {"succeeded": 24}}
    assert outcome["killed_worker"]["taken_over"] > 0
    await nothing_stands(servers)
    assert list(tmp_path.iterdir()) == []


async def test_a_demo_that_is_stopped_half_way_leaves_nothing(
    servers: Stack, start_demo: StartDemo, tmp_path: Path
) -> None:
    process = await start_demo("--jobs", "24")
    assert process.stdout is not None
    async with asyncio.timeout(90):
        while b"sending 24 prompts" not in await process.stdout.readline():
            assert process.returncode is None
    assert await of_demos(servers) != set()
    process.send_signal(signal.SIGTERM)
    said, complaint = await process.communicate()
    assert process.returncode == 130
    assert b"SIGTERM: ending everything" in said
    assert complaint == b""
    await nothing_stands(servers)
    assert list(tmp_path.iterdir()) == []
