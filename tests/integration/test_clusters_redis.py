"""Valkey behind Sentinels and as a Cluster: its primary is killed under load, and no job and no token is lost."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import anyio
import pytest

from devstack.server import ServersUnavailable
from devstack.valkey import Valkey
from devstack.valkey_cluster import ValkeyCluster, valkey_cluster
from devstack.valkey_sentinels import ValkeySentinels, valkey_sentinels
from services.router_worker.fleet.claims import RedisClaims
from services.router_worker.fleet.heartbeat import Heartbeat
from services.router_worker.fleet.tells import Tells
from services.router_worker.running import Interrupt, RunningJobs, Why
from shared.ids import new_job_id
from shared.job_log import Keyspace
from shared.redis import redis_client
from simulator import Script
from tests.suites.platform import Platform, Servers, running_platform
from tests.suites.traffic import running_traffic

SCRIPT = {"gpt-4o": Script.model_validate({"tokens": 60, "gap": 0.02})}


@pytest.fixture(scope="module")
async def cluster(servers_folder: Path) -> AsyncIterator[ValkeyCluster]:
    async with valkey_cluster(servers_folder / "valkey-cluster") as cluster:
        yield cluster


@pytest.fixture(scope="module")
async def sentinels(servers_folder: Path) -> AsyncIterator[ValkeySentinels]:
    async with valkey_sentinels(servers_folder / "valkey-sentinels") as sentinels:
        yield sentinels


@pytest.fixture
def servers_at(kafka_url: str, database: str) -> Callable[[str], Servers]:
    return lambda redis_url: Servers(kafka_url, redis_url, database)


async def started(platform: Platform) -> list[str]:
    """One of each service; the URL of the ingress."""
    ingress, *_ = await platform.start_all("ingress", "router_worker", "accounting")
    return [ingress.url]


async def replaced(killed: Valkey, primary: Callable[[], Awaitable[Valkey]]) -> None:
    """Jobs are accepted meanwhile, so there may be many of them before there is another primary."""
    async with asyncio.timeout(30):
        while True:
            with suppress(ServersUnavailable):
                if await primary() is not killed:
                    return
            await asyncio.sleep(0.05)


async def test_a_failover_by_sentinels_loses_no_job_and_no_token(
    sentinels: ValkeySentinels, servers_at: Callable[[str], Servers], tmp_path: Path, fresh_name: Callable[[str], str]
) -> None:
    async with running_platform(servers_at(sentinels.url), tmp_path, fresh_name("s"), SCRIPT) as platform:
        urls = await started(platform)
        async with running_traffic(platform, urls, "gpt-4o") as traffic:
            await traffic.accepted(10)
            killed = await sentinels.primary()
            await killed.kill()
            await traffic.accepted(30)
            await replaced(killed, sentinels.primary)
            await traffic.accepted(5)
        assert traffic.problems() == []
        assert len(platform.simulator.served()) == len(traffic.readers) + len(traffic.refused)


async def test_a_failover_in_a_cluster_loses_no_job_and_no_token(
    cluster: ValkeyCluster, servers_at: Callable[[str], Servers], tmp_path: Path, fresh_name: Callable[[str], str]
) -> None:
    async with running_platform(servers_at(cluster.url), tmp_path, fresh_name("c"), SCRIPT) as platform:
        urls = await started(platform)
        async with running_traffic(platform, urls, "gpt-4o") as traffic:
            await traffic.accepted(10)
            key = Keyspace(platform.name).job(new_job_id()).log
            killed = await cluster.primary_of(key)
            await killed.kill()
            await traffic.accepted(30)
            await replaced(killed, lambda: cluster.primary_of(key))
            await traffic.accepted(5)
        assert traffic.problems() == []
        assert len(platform.simulator.served()) == len(traffic.readers) + len(traffic.refused)


async def test_the_jobs_of_a_cluster_are_spread_over_all_its_primaries(cluster: ValkeyCluster) -> None:
    keyspace = Keyspace("spread", clustered=True)
    redis = redis_client(cluster.url, call_seconds=2)
    for channel in keyspace.ingress_channels("r1"):
        await redis.set(f"{channel}:probe", 1)
    await redis.aclose(close_connection_pool=True)
    counts = []
    for primary in await cluster.primaries():
        one = redis_client(primary.url, call_seconds=2)
        counts.append(await one.dbsize())
        await one.aclose(close_connection_pool=True)
    assert len(counts) == 3
    assert min(counts) >= 10


async def test_a_worker_hears_what_it_is_told_from_any_node_of_a_cluster(
    cluster: ValkeyCluster, fresh_name: Callable[[str], str]
) -> None:
    keyspace, worker = Keyspace(fresh_name("ns"), clustered=True), "w1"
    redis = redis_client(cluster.url, call_seconds=2)
    heartbeat = Heartbeat(redis, keyspace, worker, every_seconds=1, dead_after_seconds=5)
    running, interrupt, job = RunningJobs(), Interrupt(anyio.CancelScope()), new_job_id()
    claims = RedisClaims(redis, keyspace, worker, heartbeat, dead_after_seconds=5)
    tells = Tells(redis, keyspace, worker, running, claims)
    with running.entered(job, interrupt):
        listening = asyncio.create_task(tells.run())
        async with asyncio.timeout(30):
            while not await redis.spublish(keyspace.worker_channel(worker), f"cancel {job}"):
                await asyncio.sleep(0.02)
            while interrupt.why is None:
                await asyncio.sleep(0.01)
        listening.cancel()
        await asyncio.wait({listening})
    await redis.aclose(close_connection_pool=True)
    assert interrupt.why is Why.CANCELLED
