"""Apache Kafka as one server of the stack: its own jars on a wheel's Java, broker and controller in one process."""

import base64
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from devstack.ports import HOST
from devstack.probes import ask_kafka
from devstack.server import ServerProcess

LOGGING = Path(__file__).with_name("kafka-log4j2.properties")
FORMAT_SECONDS = 60.0

# One broker on one machine: a single copy of everything, small internal topics, and quick to be believed dead.
SETTINGS: Mapping[str, str] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    # A typo must not become a topic; topics are created from the one table.
    "auto.create.topics.enable": "false",
    # With the default 9 s a restart after SIGKILL waits 12 s for its own former self to be declared dead.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "log.cleaner.dedupe.buffer.size": "4194304",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "offsets.topic.num.partitions": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
}

JVM = (
    "-Xms64m",
    "-Xmx384m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "--sun-misc-unsafe-memory-access=allow",
    "--enable-native-access=ALL-UNNAMED",
)


@dataclass(frozen=True, slots=True)
class Runtime:
    """What to run it with; `options` are for the JVM of the broker alone."""

    java: Path
    jars: tuple[Path, ...]
    options: tuple[str, ...]

    def command(self, main_class: str, *options: str) -> list[str | Path]:
        classpath = os.pathsep.join(map(str, self.jars))
        return [self.java, *JVM, *options, f"-Dlog4j2.configurationFile={LOGGING}", "-cp", classpath, main_class]


@dataclass(frozen=True, slots=True)
class Door:
    """One more listener: who connects to `port` is told to come back at `advertised`, where a proxy may stand."""

    name: str
    """Capitals, digits and underscores."""
    port: int
    advertised: int


@dataclass(frozen=True, slots=True)
class Variation:
    """How a broker differs from the one that stands alone on a machine."""

    settings: Mapping[str, str] = field(default_factory=dict)
    """By Kafka's names; they come before ours."""
    cluster_id: str = ""
    """The same for all brokers of a cluster; made when the data folder is, if left out."""
    scram_users: Mapping[str, str] = field(default_factory=dict)
    """Passwords by name, for SCRAM-SHA-512; known from the first start of an empty folder on."""


def new_cluster_id() -> str:
    """16 bytes in base64, as Kafka's Uuid; the first is fixed, since an id must not begin with "-"."""
    return base64.urlsafe_b64encode(b"K" + os.urandom(15)).decode().rstrip("=")


PLAIN = Variation()


class Kafka:
    name = "kafka"

    def __init__(
        self,
        data: Path,
        port: int,
        controller_port: int,
        runtime: Runtime,
        process: ServerProcess,
        doors: Sequence[Door] = (),
        variation: Variation = PLAIN,
    ) -> None:
        self._data = data
        self._port = port
        self._controller_port = controller_port
        self._runtime = runtime
        self._process = process
        self._doors = doors
        self._variation = variation

    @property
    def url(self) -> str:
        return f"{HOST}:{self._port}"

    @property
    def log(self) -> Path:
        return self._process.log

    @property
    def pid(self) -> int | None:
        return self._process.pid

    async def start(self) -> None:
        self._data.mkdir(parents=True, exist_ok=True)
        properties = self._data / "server.properties"
        properties.write_text("".join(f"{key}={value}\n" for key, value in self._settings().items()))
        if not (self._records / "meta.properties").exists():
            await self._format(properties)
        command = self._runtime.command("kafka.Kafka", *self._runtime.options)
        await self._process.start([*command, properties], cwd=self._data)

    async def ready(self, within_seconds: float = 60.0) -> None:
        await self._process.answering(self.url, ask_kafka, within_seconds)

    async def stop(self) -> None:
        await self._process.stop()

    async def kill(self) -> None:
        await self._process.kill()

    @property
    def _records(self) -> Path:
        return self._data / "records"

    def _settings(self) -> dict[str, str]:
        broker, controller = f"PLAINTEXT://{self.url}", f"CONTROLLER://{HOST}:{self._controller_port}"
        doors = [f"{door.name}://{HOST}:{door.port}" for door in self._doors]
        advertised = [f"{door.name}://{HOST}:{door.advertised}" for door in self._doors]
        protocols = [SETTINGS["listener.security.protocol.map"], *(f"{door.name}:PLAINTEXT" for door in self._doors)]
        return {
            **SETTINGS,
            "controller.quorum.voters": f"1@{HOST}:{self._controller_port}",
            "listener.security.protocol.map": ",".join(protocols),
            "inter.broker.listener.name": "PLAINTEXT",
            "listeners": ",".join([broker, controller, *doors]),
            "advertised.listeners": ",".join([broker, *advertised]),
            "log.dirs": str(self._records),
            **self._variation.settings,
        }

    async def _format(self, properties: Path) -> None:
        """Give the empty folder its cluster id, which it keeps: only a folder without one comes here."""
        cluster = self._variation.cluster_id or new_cluster_id()
        command = self._runtime.command("kafka.tools.StorageTool")
        arguments: list[str | Path] = ["format", "--cluster-id", cluster, "--config", properties, "--ignore-formatted"]
        for name, password in self._variation.scram_users.items():
            arguments += ["--add-scram", f"SCRAM-SHA-512=[name={name},password={password}]"]
        await self._process.run([*command, *arguments], cwd=self._data, within_seconds=FORMAT_SECONDS)
