"""A Valkey with a replica, and three Sentinels that replace the primary when it dies."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from devstack.ports import HOST, any_free
from devstack.probes import ask_valkey
from devstack.server import POLL_SECONDS, ServerProcess, ServersUnavailable
from devstack.valkey import Valkey, binary

__all__ = ["ValkeySentinels", "valkey_sentinels"]

SERVICE = "sluice"
_WATCHERS = 3
_QUORUM = 2
_SECONDS = 20.0


class _Watcher:
    """One Sentinel. It keeps what it learns in its own configuration file."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self.port = port
        self.process = ServerProcess(folder.name, folder / "log")

    async def start(self, primary: Valkey) -> None:
        lines = [
            f"port {self.port}",
            f"bind {HOST}",
            f"dir {self._folder}",
            f"sentinel monitor {SERVICE} {HOST} {primary.port} {_QUORUM}",
            f"sentinel down-after-milliseconds {SERVICE} 1000",
            f"sentinel failover-timeout {SERVICE} 5000",
        ]
        configuration = self._folder / "sentinel.conf"
        configuration.write_text("\n".join(lines) + "\n")
        await self.process.start([binary(), configuration, "--sentinel"], cwd=self._folder)
        await self.process.answering(f"redis://{HOST}:{self.port}", ask_valkey, _SECONDS)

    async def knows_the_others(self) -> bool:
        primary = await self.says("SENTINEL", "MASTER", SERVICE)
        return int(primary["num-other-sentinels"]) == _WATCHERS - 1 and int(primary["num-slaves"]) >= 1

    async def says(self, *command: str) -> Any:  # noqa: ANN401 - whatever it answers
        async with Redis(host=HOST, port=self.port, decode_responses=True) as redis:
            return await redis.execute_command(*command)  # type: ignore[no-untyped-call]


class ValkeySentinels:
    def __init__(self, servers: Sequence[Valkey], watchers: Sequence[_Watcher]) -> None:
        self.servers = servers
        self._watchers = watchers

    @property
    def url(self) -> str:
        return f"redis+sentinel://{','.join(f'{HOST}:{watcher.port}' for watcher in self._watchers)}/{SERVICE}/0"

    async def primary(self) -> Valkey:
        """As the Sentinels see it."""
        _, port = await self._watchers[0].says("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
        return next(server for server in self.servers if server.port == int(port))

    async def start(self) -> None:
        for server in self.servers:
            await server.start()
        await asyncio.gather(*(server.ready() for server in self.servers))
        primary, *replicas = self.servers
        for replica in replicas:
            async with Redis.from_url(replica.url) as redis:
                await redis.replicaof(HOST, primary.port)
        await asyncio.gather(*(watcher.start(primary) for watcher in self._watchers))
        await self.settled()

    async def stop(self) -> None:
        await asyncio.gather(*(watcher.process.kill() for watcher in self._watchers))
        await asyncio.gather(*(server.kill() for server in self.servers))

    async def settled(self, within_seconds: float = _SECONDS) -> None:
        """Wait until the Sentinels know each other and a replica. Raises ServersUnavailable."""
        try:
            async with asyncio.timeout(within_seconds):
                for watcher in self._watchers:
                    while not await _ready(watcher):  # noqa: ASYNC110 - it happens elsewhere
                        await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            raise ServersUnavailable(f"The Sentinels are not ready after {within_seconds:g} s.") from None


async def _ready(watcher: _Watcher) -> bool:
    try:
        return await watcher.knows_the_others()
    except RedisError:
        return False


@asynccontextmanager
async def valkey_sentinels(data: Path) -> AsyncIterator[ValkeySentinels]:
    """One primary, one replica and three Sentinels, acquainted; gone on the way out."""
    sentinels = ValkeySentinels(
        [_server(data / f"server-{number}") for number in range(2)],
        [_Watcher(_folder(data / f"sentinel-{number}"), any_free()) for number in range(_WATCHERS)],
    )
    try:
        await sentinels.start()
        yield sentinels
    finally:
        await sentinels.stop()


def _server(folder: Path) -> Valkey:
    _folder(folder)
    settings = {"repl-diskless-sync-delay": "0"}
    return Valkey(folder, any_free(), ServerProcess(folder.name, folder / "log"), settings)


def _folder(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
