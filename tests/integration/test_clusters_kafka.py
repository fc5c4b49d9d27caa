"""Kafka with three brokers, replication 3 and two acknowledgements: its leaders are killed under load."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from devstack.kafka_cluster import KafkaCluster, kafka_cluster
from devstack.kafka_jars import default_cache
from devstack.kafka_runtime import kafka_runtime
from shared.ids import JobId, attempt_id
from shared.kafka import ensure_topics
from shared.topics import JOBS_INTERACTIVE
from simulator import Script
from tests.suites.platform import Servers, running_platform
from tests.suites.traffic import running_traffic

SCRIPT = {"gpt-4o": Script.model_validate({"tokens": 60, "gap": 0.02})}


@pytest.fixture(scope="module")
async def cluster(servers_folder: Path) -> AsyncIterator[KafkaCluster]:
    runtime = await kafka_runtime(default_cache(), lambda _: None)
    async with kafka_cluster(servers_folder / "kafka-cluster", runtime) as cluster:
        yield cluster


async def test_topics_have_as_many_replicas_as_the_cluster_wants(cluster: KafkaCluster, topic_prefix: str) -> None:
    await ensure_topics(cluster.url, topic_prefix)
    topic = JOBS_INTERACTIVE.at(topic_prefix)
    assert {len(each["replicas"]) for each in await cluster.partitions_of(topic)} == {3}
    admin = AIOKafkaAdminClient(bootstrap_servers=cluster.url)
    await admin.start()
    (config,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    await admin.close()
    (found,) = config.to_object()["resources"]
    settings = {each["config_names"]: each["config_value"] for each in found["config_entries"]}
    assert settings["min.insync.replicas"] == "2"


async def test_a_leader_that_is_killed_loses_no_job_and_repeats_none(
    cluster: KafkaCluster, redis_url: str, database: str, tmp_path: Path, topic_prefix: str
) -> None:
    """With eight partitions a topic and three brokers, the one that dies leads some of every topic."""
    servers = Servers(cluster.url, redis_url, database)
    async with running_platform(servers, tmp_path, topic_prefix.rstrip("."), SCRIPT) as platform:
        ingress, *_ = await platform.start_all("ingress", "router_worker", "accounting")
        async with running_traffic(platform, [ingress.url], "gpt-4o") as traffic:
            await traffic.accepted(10)
            topic = JOBS_INTERACTIVE.at(topic_prefix)
            killed = await cluster.leader_of(topic)
            await killed.kill()
            await traffic.accepted(30, seconds=90)
            assert (await cluster.leader_of(topic)) is not killed
            await traffic.accepted(5)
        assert traffic.problems() == []
        calls = [call.client_request_id for call in platform.simulator.served()]
        assert len(calls) == len(set(calls))
        assert set(calls) >= {attempt_id(JobId(reader.job), 1) for reader in traffic.readers}
        # One that was refused because nobody confirmed it may have come through all the same.
        assert len(calls) <= len(traffic.readers) + len(traffic.refused)
