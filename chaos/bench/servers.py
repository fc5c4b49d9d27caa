"""The three real servers of a run. Each can be killed and started again, on the same port and data."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGINT
from typing import Final
from urllib.parse import urlsplit

from chaos.bench.links import Address
from chaos.bench.ports import Ports
from chaos.bench.valkey_pair import ValkeyPair
from devstack.kafka import Door, Kafka
from devstack.kafka_jars import default_cache
from devstack.kafka_runtime import kafka_runtime
from devstack.postgres import Postgres
from devstack.server import Server, ServerProcess

__all__ = ["Servers", "running_servers"]

HOST: Final = "127.0.0.1"
_READY_SECONDS: Final = 60.0


class Servers:
    def __init__(self, kafka: Server, valkey: ValkeyPair, postgres: Server) -> None:
        self.kafka = kafka
        self.valkey = valkey
        self.postgres = postgres

    @property
    def postgres_address(self) -> Address:
        parts = urlsplit(self.postgres.url)
        return Address(str(parts.hostname), int(parts.port or 5432))

    def postgres_url_by(self, port: int) -> str:
        """The same database by another way."""
        return self.postgres.url.replace(f":{self.postgres_address.port}/", f":{port}/")

    async def kill(self, name: str, seconds: float) -> None:
        """And start it again after so many seconds; returns when it answers."""
        if name == "valkey":
            await self.valkey.kill(seconds)
            return
        server = self.kafka if name == "kafka" else self.postgres
        await server.kill()
        await asyncio.sleep(seconds)
        await _up(server)


@asynccontextmanager
async def running_servers(
    folder: Path,
    ports: Ports,
    doors: Sequence[Door],
    *,
    moved: Callable[[Address], None],
    tell: Callable[[str], None],
) -> AsyncIterator[Servers]:
    """Answering; afterwards none of them runs. `doors` are Kafka's, one for each process that has a way of its own."""
    runtime = await kafka_runtime(default_cache(), tell)
    logs = folder / "logs"
    logs.mkdir(exist_ok=True)
    kafka = Kafka(
        folder / "kafka", ports.take(), ports.take(), runtime, ServerProcess("kafka", logs / "kafka.log"), doors
    )
    postgres_process = ServerProcess("postgres", logs / "postgres.log", SIGINT)
    postgres = Postgres(folder / "postgres", ports.take(), postgres_process, tell)
    valkey = ValkeyPair(folder, ports, moved)
    try:
        await asyncio.gather(_up(kafka), _up(postgres))
        async with valkey.running():
            yield Servers(kafka, valkey, postgres)
    finally:
        await asyncio.gather(kafka.kill(), postgres.kill())


async def _up(server: Server) -> None:
    await server.start()
    await server.ready(_READY_SECONDS)
