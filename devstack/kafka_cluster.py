"""Three Kafka brokers on one machine: every record on all of them, acknowledged by two."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient

from devstack.kafka import Kafka, Runtime, Variation, new_cluster_id
from devstack.ports import HOST, any_free
from devstack.server import ServerProcess, ServersUnavailable

__all__ = ["KafkaCluster", "kafka_cluster"]

_BROKERS = 3
_WHOLE_SECONDS = 30.0

_SETTINGS = {
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "share.coordinator.state.topic.replication.factor": "3",
    "share.coordinator.state.topic.min.isr": "2",
    # A dead controller is replaced within about a second; the defaults are for links between machines.
    "controller.quorum.election.timeout.ms": "500",
    "controller.quorum.fetch.timeout.ms": "1000",
    # A follower that died is out of the way sooner than with the default 30 s.
    "replica.lag.time.max.ms": "5000",
}


class KafkaCluster:
    def __init__(self, brokers: Sequence[Kafka]) -> None:
        self.brokers = brokers

    @property
    def url(self) -> str:
        return ",".join(broker.url for broker in self.brokers)

    async def leader_of(self, topic: str) -> Kafka:
        """Who takes the records of its first partition just now. Raises KafkaError, and TimeoutError."""
        leader: int = next(found["leader"] for found in await self.partitions_of(topic) if found["partition"] == 0)
        return self.brokers[leader - 1]

    async def partitions_of(self, topic: str) -> list[dict[str, Any]]:
        """As a broker that knows the topic describes them; a new one is known to all of them a little later."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.url)
        await admin.start()
        try:
            async with asyncio.timeout(_WHOLE_SECONDS):
                while True:
                    (described,) = await admin.describe_topics([topic])
                    if described["error_code"] == 0:
                        return list(described["partitions"])
                    await asyncio.sleep(0.02)
        finally:
            await admin.close()

    async def start(self) -> None:
        await asyncio.gather(*(broker.start() for broker in self.brokers))
        await self.whole()

    async def stop(self) -> None:
        await asyncio.gather(*(broker.kill() for broker in self.brokers))

    async def whole(self, within_seconds: float = _WHOLE_SECONDS) -> None:
        """Wait until every broker answers and knows of the others. Raises ServersUnavailable."""
        await asyncio.gather(*(broker.ready(within_seconds) for broker in self.brokers))
        try:
            async with asyncio.timeout(within_seconds):
                for broker in self.brokers:
                    while await _known_to(broker) < len(self.brokers):  # noqa: ASYNC110 - it happens elsewhere
                        await asyncio.sleep(0.1)
        except TimeoutError:
            raise ServersUnavailable(f"The brokers did not find each other within {within_seconds:g} s.") from None


async def _known_to(broker: Kafka) -> int:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.url)
    await admin.start()
    try:
        described = await admin.describe_cluster()
    finally:
        await admin.close()
    return len(described["brokers"])


@asynccontextmanager
async def kafka_cluster(data: Path, runtime: Runtime) -> AsyncIterator[KafkaCluster]:
    """Three brokers that answer, each a controller too; gone on the way out."""
    controllers = [any_free() for _ in range(_BROKERS)]
    voters = ",".join(f"{number}@{HOST}:{port}" for number, port in enumerate(controllers, start=1))
    cluster_id = new_cluster_id()
    brokers = []
    for number, controller in enumerate(controllers, start=1):
        folder = data / f"broker-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        settings = {**_SETTINGS, "node.id": str(number), "controller.quorum.voters": voters}
        process = ServerProcess(folder.name, folder / "log")
        brokers.append(
            Kafka(folder, any_free(), controller, runtime, process, variation=Variation(settings, cluster_id))
        )
    cluster = KafkaCluster(brokers)
    try:
        await cluster.start()
        yield cluster
    finally:
        await cluster.stop()
