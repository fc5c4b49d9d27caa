"""All of Sluice on one machine, where every connection of every process goes through a link of its own.

Afterwards nothing of it runs: each process is on a leash (`devstack.leash`) and each link belongs to this process.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from chaos.bench.links import Address, Link
from chaos.bench.ports import Ports
from chaos.bench.processes import Process
from chaos.bench.servers import HOST, Servers, running_servers
from chaos.bench.setting import PROVIDERS, Setting, provider_port_variable, write_setting
from chaos.schedule import Cast, Role
from devstack.kafka import Door
from devstack.leash import leashed
from shared.kafka import ensure_topics
from shared.topics import RESULTS

__all__ = ["NAMESPACE", "READERS", "Stand", "Wishes", "running_stand"]

NAMESPACE: Final = "chaos"
READERS: Final = "readers"
"""Whoever uses the gateway from outside, as the near end of a link."""

_FAR_ENDS: Final[Mapping[Role, Sequence[str]]] = {
    Role.WORKER: ("kafka", "valkey", *PROVIDERS),
    Role.INGRESS: ("kafka", "valkey", "postgres"),
    Role.ACCOUNTING: ("kafka", "postgres"),
}
_PORT_VARIABLES: Final = {
    Role.INGRESS: "SLUICE_INGRESS_PORT",
    Role.WORKER: "SLUICE_WORKER_PROBE_PORT",
    Role.ACCOUNTING: "SLUICE_ACCOUNTING_PROBE_PORT",
}
_PROBE_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Wishes:
    seed: int
    ingresses: int = 2
    workers: int = 3
    tenants: int = 3
    worker_module: Sequence[str] = ("services.router_worker",)
    """What `python -m` runs as a worker."""
    drain_seconds: float = 8.0
    """Longer than a story, shorter than an epic: some jobs are handed over."""
    keepalive_seconds: float = 3.0


class Stand:
    def __init__(self, folder: Path, setting: Setting, wishes: Wishes, servers: Servers) -> None:
        self.folder = folder
        self.setting = setting
        self.wishes = wishes
        self.servers = servers
        self.links: dict[str, Link] = {}
        self.processes: dict[str, Process] = {}
        self.gateways: dict[str, str] = {}
        """The URL by which readers reach each ingress."""
        self.simulator_url = ""

    @property
    def cast(self) -> Cast:
        names: dict[Role, list[str]] = {role: [] for role in Role}
        for process in self.processes.values():
            names[process.role].append(process.name)
        *staying, spare = names[Role.WORKER]
        return Cast({**names, Role.WORKER: staying}, spare, sorted(self.links))

    @property
    def served(self) -> Path:
        """What the provider says it served, a JSON line per call."""
        return self.folder / "served.jsonl"

    @property
    def variables(self) -> Mapping[str, str]:
        """For whoever looks at the servers without a link, as an operator."""
        return {
            "KAFKA_URL": self.servers.kafka.url,
            "REDIS_URL": self.servers.valkey.url,
            "POSTGRES_URL": self.servers.postgres.url,
            "SLUICE_CONFIG": str(self.setting.config),
            "SLUICE_NAMESPACE": NAMESPACE,
        }

    def moved(self, valkey: Address) -> None:
        for name, link in self.links.items():
            if name.endswith(">valkey"):
                link.lead_to(valkey)

    def log_of(self, name: str) -> Path:
        return self.folder / "logs" / f"{name}.log"


@asynccontextmanager
async def running_stand(folder: Path, wishes: Wishes, tell: Callable[[str], None]) -> AsyncIterator[Stand]:
    """Everything ready but the spare worker, which does not run yet."""
    ports = Ports()
    names = _names(wishes)
    doors = {name: Door(name.upper().replace("-", "_"), ports.take(), ports.take()) for name in names}
    setting = write_setting(folder, wishes.seed, wishes.tenants)
    stand: Stand | None = None

    def moved(valkey: Address) -> None:
        if stand is not None:
            stand.moved(valkey)

    async with AsyncExitStack() as closing:
        tell("starting Kafka, Valkey with a replica, and PostgreSQL")
        servers = await closing.enter_async_context(
            running_servers(folder, ports, tuple(doors.values()), moved=moved, tell=tell)
        )
        await _topics(servers.kafka.url)
        stand = Stand(folder, setting, wishes, servers)
        simulator = await _simulator(closing, stand, ports)
        for name, role in names.items():
            await _assemble(closing, stand, name, role, doors[name], simulator, ports)
        keeping = await closing.enter_async_context(asyncio.TaskGroup())
        keepers = [keeping.create_task(process.keep()) for process in stand.processes.values()]
        try:
            await _started(stand, tell)
            yield stand
        finally:
            for keeper in keepers:
                keeper.cancel()
            await asyncio.gather(*(process.kill() for process in stand.processes.values()))


def _names(wishes: Wishes) -> Mapping[str, Role]:
    """One worker more than asked for: the spare."""
    names = {f"ingress-{number}": Role.INGRESS for number in range(1, wishes.ingresses + 1)}
    names |= {f"worker-{number}": Role.WORKER for number in range(1, wishes.workers + 2)}
    return {**names, "accounting": Role.ACCOUNTING}


async def _topics(kafka_url: str) -> None:
    """As the services would, and the results stamped by the broker: what we compare must be by one clock."""
    await ensure_topics(kafka_url, "")
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_url)
    await admin.start()
    try:
        stamped = {"message.timestamp.type": "LogAppendTime"}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, RESULTS.name, stamped)])
    finally:
        await admin.close()


async def _simulator(closing: AsyncExitStack, stand: Stand, ports: Ports) -> Address:
    address = Address(HOST, ports.take())
    files = ("--config", str(stand.setting.simulator), "--log", str(stand.served))
    command = (sys.executable, "-m", "simulator", "--port", str(address.port), *files)
    process = await leashed(command, env=os.environ, log=stand.log_of("simulator"))
    closing.push_async_callback(process.stop, 5.0)
    stand.simulator_url = f"http://{address.host}:{address.port}"
    return address


async def _assemble(
    closing: AsyncExitStack, stand: Stand, name: str, role: Role, door: Door, simulator: Address, ports: Ports
) -> None:
    """A process with its links; it is not started yet."""
    far_ends = {
        "kafka": Address(HOST, door.port),
        "valkey": stand.servers.valkey.address,
        "postgres": stand.servers.postgres_address,
        **dict.fromkeys(PROVIDERS, simulator),
    }
    near_ports = {"kafka": door.advertised}
    for far in _FAR_ENDS[role]:
        near_ports.setdefault(far, ports.take())
        await _link(closing, stand, f"{name}>{far}", far_ends[far], near_ports[far])
    port = ports.take()
    if role is Role.INGRESS:
        way_in = ports.take()
        await _link(closing, stand, f"{READERS}>{name}", Address(HOST, port), way_in)
        stand.gateways[name] = f"http://{HOST}:{way_in}"
    modules = stand.wishes.worker_module if role is Role.WORKER else (f"services.{role}",)
    stand.processes[name] = Process(
        name=name,
        role=role,
        command=(sys.executable, "-m", *modules),
        environment=_environment(stand, name, role, port, near_ports),
        port=port,
        log=stand.log_of(name),
    )


async def _link(closing: AsyncExitStack, stand: Stand, name: str, far: Address, port: int) -> None:
    link = Link(name, far)
    closing.push_async_callback(link.close)
    await link.listen(port)
    stand.links[name] = link


def _environment(stand: Stand, name: str, role: Role, port: int, near_ports: Mapping[str, int]) -> dict[str, str]:
    ours = {key: value for key, value in os.environ.items() if not key.startswith("SLUICE_")}
    nowhere = 9
    told = {
        "KAFKA_URL": f"{HOST}:{near_ports['kafka']}",
        "REDIS_URL": f"redis://{HOST}:{near_ports.get('valkey', nowhere)}/0",
        "POSTGRES_URL": stand.servers.postgres_url_by(near_ports.get("postgres", nowhere)),
        "SLUICE_CONFIG": str(stand.setting.config),
        "SLUICE_NAMESPACE": NAMESPACE,
        "SLUICE_PROBE_HOST": HOST,
        "SLUICE_WORKER_NAME": name,
        "SLUICE_DRAIN_SECONDS": f"{stand.wishes.drain_seconds:g}",
        "SLUICE_KEEPALIVE_SECONDS": f"{stand.wishes.keepalive_seconds:g}",
        _PORT_VARIABLES[role]: str(port),
        **{provider_port_variable(provider): str(near_ports.get(provider, nowhere)) for provider in PROVIDERS},
    }
    if role is Role.INGRESS:
        told["SLUICE_INGRESS_REPLICA"] = name
        told["SLUICE_DRAIN_SECONDS"] = f"{max(1, round(stand.wishes.drain_seconds))}"
    return ours | told


async def _started(stand: Stand, tell: Callable[[str], None]) -> None:
    """All but the spare. Raises RuntimeError when one of them does not come up on a machine that is whole."""
    cast = stand.cast
    first = [process for process in stand.processes.values() if process.name != cast.spare]
    tell(f"starting {', '.join(process.name for process in first)}")
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_PROBE_SECONDS)) as client:
        for process in first:
            await process.start()
        ready = await asyncio.gather(*(process.ready(client) for process in first))
    for process, came in zip(first, ready, strict=True):
        if not came:
            raise RuntimeError(f"{process.name} does not get ready; its log is {process.log}")
