"""Valkey with a replica that can take its place: a primary's death, a flush, a failover, as clients see them."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from redis.asyncio import Redis

from chaos.bench.disk import Disk
from chaos.bench.links import Address, Link
from chaos.bench.ports import Ports
from chaos.schedule import Act
from devstack.server import ServerProcess
from devstack.valkey import Valkey

__all__ = ["ValkeyPair"]

_POWER_CUT_SECONDS: Final = 1.0
"""What `appendfsync everysec` may lose."""
_READY_SECONDS: Final = 30.0
_CLIENT_SECONDS: Final = 5.0

HOST: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class _Member:
    server: Valkey
    disk: Disk
    port: int

    @property
    def address(self) -> Address:
        return Address(HOST, self.port)

    async def up(self) -> None:
        await self.server.start()
        await self.server.ready(_READY_SECONDS)

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Redis]:
        client = Redis.from_url(self.server.url, socket_timeout=_CLIENT_SECONDS)
        try:
            yield client
        finally:
            await client.aclose()


class ValkeyPair:
    def __init__(self, folder: Path, ports: Ports, moved: Callable[[Address], None]) -> None:
        """`moved` is told where the primary is after a failover."""
        self._primary = _member(folder / "valkey-a", ports.take())
        self._replica = _member(folder / "valkey-b", ports.take())
        self._replication_port = ports.take()
        self._replication = Link("replica>valkey", self._primary.address)
        self._moved = moved

    @property
    def url(self) -> str:
        return self._primary.server.url

    @property
    def address(self) -> Address:
        return self._primary.address

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Afterwards neither runs."""
        try:
            await self._replication.listen(self._replication_port)
            await asyncio.gather(self._primary.up(), self._replica.up())
            await self._follow()
            async with asyncio.TaskGroup() as group:
                watches = [group.create_task(each.disk.watch()) for each in (self._primary, self._replica)]
                try:
                    yield
                finally:
                    for watch in watches:
                        watch.cancel()
        finally:
            await asyncio.gather(self._primary.server.kill(), self._replica.server.kill())
            await self._replication.close()

    async def kill(self, seconds: float) -> None:
        """And start it again. What it had answered is on its disk."""
        await self._primary.server.kill()
        await asyncio.sleep(seconds)
        await self._primary.up()

    async def power_cut(self, seconds: float) -> str:
        """As `kill`, and what it wrote last is lost. Returns what that was, in words."""
        await self._primary.server.kill()
        lost = self._primary.disk.lose(time.monotonic() - _POWER_CUT_SECONDS)
        await asyncio.sleep(seconds)
        await self._primary.up()
        return f"{lost} bytes of the log lost"

    async def failover(self, lag_seconds: float) -> None:
        """The primary dies while its replica is behind; what the replica has not heard is lost."""
        old, new = self._primary, self._replica
        self._replication.strike(Act.HOLD)
        await asyncio.sleep(lag_seconds)
        await old.server.kill()
        self._replication.strike(Act.CUT)
        async with new.client() as client:
            await client.replicaof("NO", "ONE")
        self._primary, self._replica = new, old
        self._moved(new.address)
        self._replication.lead_to(new.address)
        self._replication.heal()
        await old.up()
        await self._follow()

    async def flush(self) -> None:
        async with self._primary.client() as client:
            await client.flushall()

    async def drop_clients(self, kind: str) -> None:
        async with self._primary.client() as client:
            await client.client_kill_filter(_type=kind)

    async def _follow(self) -> None:
        async with self._replica.client() as client:
            await client.replicaof(HOST, str(self._replication_port))


def _member(folder: Path, port: int) -> _Member:
    folder.mkdir(parents=True)
    return _Member(Valkey(folder, port, ServerProcess("valkey", folder / "log")), Disk(folder), port)
