"""The three servers together: one folder with their data, started at once, ended in order."""

import asyncio
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from devstack import postgres_place
from devstack.data_folder import exclusive
from devstack.kafka import Kafka, Runtime
from devstack.kafka_jars import default_cache
from devstack.kafka_runtime import kafka_runtime
from devstack.ports import Ports, choose
from devstack.postgres import Postgres
from devstack.probes import ask_kafka, ask_postgres, ask_valkey
from devstack.server import External, Server, ServerProcess, ServersUnavailable, Tell
from devstack.valkey import Valkey
from shared.settings import KafkaSettings, read_settings

ANY_FREE = Ports()


@dataclass(frozen=True, slots=True)
class Urls:
    kafka_url: str
    redis_url: str
    postgres_url: str


class Stack:
    """The three servers. `running_stack` makes one; a single server may be killed and started again meanwhile."""

    def __init__(self, data: Path, kafka: Server, valkey: Server, postgres: Server) -> None:
        self.data = data
        self.kafka = kafka
        self.valkey = valkey
        self.postgres = postgres

    @property
    def servers(self) -> tuple[Server, ...]:
        """In the order in which they are stopped: the ledger last."""
        return (self.kafka, self.valkey, self.postgres)

    @property
    def urls(self) -> Urls:
        return Urls(self.kafka.url, self.valkey.url, self.postgres.url)

    async def start(self) -> None:
        """Start all at once and wait until each answers. May raise ServersUnavailable; then none runs."""
        try:
            async with asyncio.TaskGroup() as starting:
                for server in self.servers:
                    starting.create_task(_up(server))
        except* ServersUnavailable as failures:
            await self.stop()
            raise failures.exceptions[0] from None
        self._describe()

    async def stop(self) -> None:
        for server in self.servers:
            await server.stop()
        self.record.unlink(missing_ok=True)

    @property
    def record(self) -> Path:
        return self.data / "stack.json"

    def described(self) -> str:
        """One line of JSON: the URLs, the pids and the log files."""
        servers = {s.name: {"url": s.url, "pid": s.pid, "log": s.log and str(s.log)} for s in self.servers}
        urls = {name: getattr(self.urls, name) for name in Urls.__slots__}
        return json.dumps({**urls, "pid": os.getpid(), "data": str(self.data), "servers": servers})

    def _describe(self) -> None:
        with os.fdopen(os.open(self.record, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w") as file:
            file.write(self.described() + "\n")


async def _up(server: Server) -> None:
    await server.start()
    await server.ready()


@asynccontextmanager
async def running_stack(
    data: Path,
    *,
    ports: Ports = ANY_FREE,
    cache: Path | None = None,
    environ: Mapping[str, str] = os.environ,
    tell: Tell = lambda _: None,
) -> AsyncIterator[Stack]:
    """The three servers, answering; ended on the way out. May raise ServersUnavailable, with nothing left running.

    Data and ports are those of the last time when `data` was used before. A server whose URL stands in `environ`
    (KAFKA_URL, REDIS_URL, POSTGRES_URL) is taken as it is. `cache` holds Kafka's jars, by default in the user's home.
    `tell` gets what a person should know meanwhile.
    """
    async with exclusive(data) as lock:
        runtime = None if environ.get("KAFKA_URL") else await kafka_runtime(cache or default_cache(), tell)
        stack = _assemble(data, ports, runtime, environ, lock, tell)
        try:
            await stack.start()
            yield stack
        finally:
            await stack.stop()


def erase(data: Path) -> None:
    """Delete all that a stack on this folder has kept, wherever it lies. No stack may run on it."""
    postgres_place.erase(data / "postgres")
    shutil.rmtree(data, ignore_errors=True)


def _assemble(
    data: Path, asked: Ports, runtime: Runtime | None, environ: Mapping[str, str], lock: int, tell: Tell
) -> Stack:
    data = data.absolute()
    (data / "logs").mkdir(exist_ok=True)
    port = choose(asked, data / "ports.json")

    def process(name: str, stop_signal: signal.Signals = signal.SIGTERM) -> ServerProcess:
        return ServerProcess(name, data / "logs" / f"{name}.log", stop_signal, held=(lock,))

    kafka: Server
    if runtime is None:
        access = read_settings(KafkaSettings).kafka
        kafka = External("kafka", environ["KAFKA_URL"], lambda url: ask_kafka(url, access), "KAFKA_URL")
    else:
        kafka = Kafka(data / "kafka", port.kafka, port.kafka_controller, runtime, process("kafka"))

    valkey: Server
    if url := environ.get("REDIS_URL"):
        valkey = External("valkey", url, ask_valkey, "REDIS_URL")
    else:
        valkey = Valkey(data / "valkey", port.valkey, process("valkey"))

    postgres: Server
    if url := environ.get("POSTGRES_URL"):
        postgres = External("postgres", url, ask_postgres, "POSTGRES_URL")
    else:
        # SIGINT is its fast shutdown; SIGTERM would wait for clients to leave.
        postgres = Postgres(data / "postgres", port.postgres, process("postgres", signal.SIGINT), tell)
    return Stack(data, kafka, valkey, postgres)
