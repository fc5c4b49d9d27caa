"""All of Sluice and a simulated provider as processes of their own, with what each costs in CPU and memory."""

import asyncio
import os
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

import httpx
import psutil
import yaml

from devstack.leash import Leashed, leashed
from devstack.stack import erase, running_stack
from shared.config.keys import hash_key, new_key
from shared.kafka import ensure_topics

__all__ = ["Part", "System", "free_port", "machine", "running_system", "until_answers"]


@dataclass(slots=True)
class Part:
    name: str
    process: Leashed
    url: str
    ready_seconds: float = 0.0
    idle_rss: int = 0

    @property
    def cpu_seconds(self) -> float:
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    @property
    def rss_bytes(self) -> int:
        return int(psutil.Process(self.process.pid).memory_info().rss)


@dataclass(slots=True)
class System:
    keys: Mapping[str, str]
    """API key by tenant."""
    kafka_url: str
    redis_url: str
    postgres_url: str
    simulator: Part
    start: Callable[[str], Awaitable[Part]]
    """One more of a service, by its name; its part is among `parts` then."""
    parts: list[Part] = field(default_factory=list)
    """Sluice's own processes."""

    @property
    def key(self) -> str:
        return next(iter(self.keys.values()))

    @property
    def ingress_url(self) -> str:
        return next(part.url for part in self.parts if part.name == "ingress")

    @property
    def ingress_urls(self) -> list[str]:
        return [part.url for part in self.parts if part.name == "ingress"]

    async def kill(self, part: Part) -> None:
        """As SIGKILL does."""
        part.process.kill()
        await part.process.wait()
        self.parts.remove(part)

    def cpu(self) -> dict[str, float]:
        return {part.name: part.cpu_seconds for part in self.parts}


@asynccontextmanager
async def running_system(
    models: dict[str, dict[str, object]],
    *,
    workers: int = 1,
    ingresses: int = 1,
    tenants: Mapping[str, Mapping[str, object]] = MappingProxyType({"bench": {}}),
    simulated: Mapping[str, object] = MappingProxyType({}),
    limits: Mapping[str, Mapping[str, object]] = MappingProxyType({}),
    sections: Mapping[str, object] = MappingProxyType({}),
    variables: Mapping[str, str] = MappingProxyType({}),
) -> AsyncIterator[System]:
    """`tenants` are their sections of the configuration; each gets a key. `simulated` goes into the provider's own
    configuration, `limits` of models and further `sections` into that of Sluice, `variables` into its environment.
    """
    async with AsyncExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="sluice-bench-"))
        folder.chmod(0o711)
        stack.callback(erase, folder / "stack")
        servers = await stack.enter_async_context(running_stack(folder / "stack", environ={}))
        keys = {tenant: new_key(tenant) for tenant in tenants}
        simulator = await _simulator(stack, folder, {**simulated, "models": models})
        (folder / "sluice.yaml").write_text(
            yaml.safe_dump(
                {
                    "tenants": {
                        tenant: {**section, "keys": {tenant: {"hash": hash_key(keys[tenant])}}}
                        for tenant, section in tenants.items()
                    },
                    "providers": {"sim": {"base_url": f"{simulator.url}/v1", "price_as": "openai"}},
                    "models": {
                        model: {"deployments": [{"provider": "sim", "limits": dict(limits.get(model, {}))}]}
                        for model in models
                    },
                    **sections,
                }
            )
        )
        env = {
            **os.environ,
            "KAFKA_URL": servers.urls.kafka_url,
            "REDIS_URL": servers.urls.redis_url,
            "POSTGRES_URL": servers.urls.postgres_url,
            "SLUICE_CONFIG": str(folder / "sluice.yaml"),
            "SLUICE_PROBE_HOST": "127.0.0.1",
            "SLUICE_LOG_LEVEL": "warning",
            **variables,
        }
        await ensure_topics(servers.urls.kafka_url, "")
        await _migrate(env)

        async def start(service: str) -> Part:
            part = await _service(stack, folder, service, _PORTS[service], env)
            system.parts.append(part)
            return part

        urls = servers.urls
        system = System(keys, urls.kafka_url, urls.redis_url, urls.postgres_url, simulator, start)
        for service in ["accounting", *["router_worker"] * workers, *["ingress"] * ingresses]:
            await start(service)
        yield system


async def _migrate(env: dict[str, str]) -> None:
    """As a deployment does it before it starts anything: what a process costs is not what an empty database costs."""
    migrating = await asyncio.create_subprocess_exec(sys.executable, "-m", "services.accounting", "migrate", env=env)
    if await asyncio.wait_for(migrating.wait(), 60):
        raise RuntimeError("the database could not be brought up to date")


_PORTS: Final = {
    "accounting": "SLUICE_ACCOUNTING_PROBE_PORT",
    "router_worker": "SLUICE_WORKER_PROBE_PORT",
    "ingress": "SLUICE_INGRESS_PORT",
}


async def _simulator(stack: AsyncExitStack, folder: Path, simulated: Mapping[str, object]) -> Part:
    config, port = folder / "sim.yaml", free_port()
    config.write_text(yaml.safe_dump(simulated))
    command = [sys.executable, "-m", "simulator", "--port", str(port), "--config", str(config)]
    process = await leashed(command, env=os.environ, log=folder / "simulator.log")
    stack.push_async_callback(process.stop)
    part = Part("simulator", process, f"http://127.0.0.1:{port}")
    await until_answers(f"{part.url}/_sim/totals", part)
    return part


async def _service(stack: AsyncExitStack, folder: Path, service: str, variable: str, env: dict[str, str]) -> Part:
    port, began = free_port(), time.perf_counter()
    process = await leashed(
        [sys.executable, "-m", f"services.{service}"], env={**env, variable: str(port)}, log=folder / f"{service}.log"
    )
    stack.push_async_callback(process.stop)
    part = Part(service, process, f"http://127.0.0.1:{port}")
    await until_answers(f"{part.url}/readyz", part)
    part.ready_seconds = time.perf_counter() - began
    part.idle_rss = part.rss_bytes
    return part


async def until_answers(url: str, part: Part) -> None:
    async with asyncio.timeout(40), httpx.AsyncClient() as client:
        while True:
            try:
                if (await client.get(url)).status_code == 200:
                    return
            except httpx.TransportError:
                if part.process.returncode is not None:
                    raise RuntimeError(f"{part.name} ended with {part.process.returncode}") from None
            await asyncio.sleep(0.01)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    model = ""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else ""
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "python": sys.version.split()[0],
        "platform": sys.platform,
    }
