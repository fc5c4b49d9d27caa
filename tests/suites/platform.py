"""All of Sluice as real processes: ingress replicas, workers, accounting, a simulated provider, the real servers."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import yaml

from devstack.leash import Leashed
from shared.config.keys import hash_key, new_key
from shared.kafka import ensure_topics
from simulator import Config, Script, Simulator, running_simulator
from tests.suites.nursery import born
from tests.suites.ports import held_ports

__all__ = ["Platform", "Process", "Servers", "running_platform"]

_PORT_OF = {
    "ingress": "SLUICE_INGRESS_PORT",
    "router_worker": "SLUICE_WORKER_PROBE_PORT",
    "accounting": "SLUICE_ACCOUNTING_PROBE_PORT",
}


@dataclass(frozen=True, slots=True)
class Servers:
    kafka_url: str
    redis_url: str
    postgres_url: str


@dataclass(slots=True)
class Process:
    service: str
    leashed: Leashed
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def ready(self, seconds: float = 120) -> None:
        async with asyncio.timeout(seconds), httpx.AsyncClient() as client:
            while not await self._answers(client):
                if self.leashed.returncode is not None:
                    raise AssertionError(self.last_words())
                await asyncio.sleep(0.05)

    async def _answers(self, client: httpx.AsyncClient) -> bool:
        try:
            return (await client.get(f"{self.url}/readyz")).status_code == 200
        except httpx.TransportError:
            return False

    def last_words(self) -> str:
        ended = "runs" if self.leashed.returncode is None else f"ended with {self.leashed.returncode}"
        return f"--- {self.service} at {self.port} {ended}:\n{self.log.read_text()[-3000:]}"

    async def killed(self) -> None:
        """SIGKILL, and gone."""
        self.leashed.kill()
        await self.leashed.wait()


@dataclass(slots=True)
class Platform:
    servers: Servers
    name: str
    folder: Path
    simulator: Simulator
    keys: Mapping[str, str]
    """API key by tenant."""
    free_port: Callable[[], int]
    processes: list[Process] = field(default_factory=list)

    @property
    def topic_prefix(self) -> str:
        return f"{self.name}."

    @property
    def blobs(self) -> Path:
        """Where content lies that is too large for a record."""
        return self.folder / "blobs"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "KAFKA_URL": self.servers.kafka_url,
            "REDIS_URL": self.servers.redis_url,
            "POSTGRES_URL": self.servers.postgres_url,
            "SLUICE_CONFIG": str(self.folder / "sluice.yaml"),
            "SLUICE_NAMESPACE": self.name,
            "SLUICE_TOPIC_PREFIX": self.topic_prefix,
            "SLUICE_PROBE_HOST": "127.0.0.1",
            "SLUICE_BLOBS_URL": str(self.blobs),
            "SLUICE_DEAD_AFTER_SECONDS": "1.5",
            "SLUICE_HEARTBEAT_SECONDS": "0.3",
        }

    async def start(self, service: str, **env: str) -> Process:
        port = int(env.get(_PORT_OF[service], 0)) or self.free_port()
        log = self.folder / f"{service}-{len(self.processes)}.log"
        settings = {**os.environ, **self.environment, _PORT_OF[service]: str(port), **env}
        child = await born(service, env=settings, log=log)
        process = Process(service, child, port, log)
        self.processes.append(process)
        return process

    async def start_all(self, *services: str) -> list[Process]:
        """Start them together and wait until each is ready; in the order asked for."""
        started = [await self.start(service) for service in services]
        await asyncio.gather(*(process.ready() for process in started))
        return started


@asynccontextmanager
async def running_platform(
    servers: Servers, folder: Path, name: str, scripts: Mapping[str, Script], **sections: object
) -> AsyncIterator[Platform]:
    """Tenants `acme` and `other`, one model a script, nothing started yet. `sections` replace those of the config."""
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(running_simulator(Config(models=dict(scripts))))
        # Ids of keys are the tenants' names: unique, and easy to recognise in a failure.
        keys = {tenant: new_key(f"{tenant}-web") for tenant in ("acme", "other")}
        config: dict[str, object] = {
            "tenants": {t: {"keys": {f"{t}-web": {"hash": hash_key(key)}}} for t, key in keys.items()},
            "submit_topics": {"sluice.submit.v1": {"tenant": "acme", "caller": "acme-web"}},
            "providers": {"sim": {"base_url": f"{simulator.url}/v1", "price_as": "openai"}},
            "models": {model: {"deployments": [{"provider": "sim"}]} for model in scripts},
            "retries": {"base_delay_seconds": 0.05},
            **sections,
        }
        (folder / "sluice.yaml").write_text(yaml.safe_dump(config))
        platform = Platform(servers, name, folder, simulator, keys, stack.enter_context(held_ports()))
        await ensure_topics(servers.kafka_url, platform.topic_prefix)
        try:
            yield platform
        except BaseException:
            for process in platform.processes:
                print(process.last_words())  # noqa: T201 - pytest shows it with the failure
            raise
        finally:
            for process in platform.processes:
                process.leashed.kill()
            await asyncio.gather(*(process.leashed.wait() for process in platform.processes))
