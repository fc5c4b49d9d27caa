"""What is a service to the stack: a command, what it is told by its environment, and where it says that it is ready."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cli.stack.folder import StackFolder

__all__ = ["Addresses", "Service", "Stages", "python_module", "stages"]

HOST: Final = "127.0.0.1"

# As long as a worker gives its running jobs, and a little to say goodbye.
_WORKER_GRACE_SECONDS: Final = 25.0


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where everything is, settled before anything starts."""

    config: Path
    kafka_url: str
    redis_url: str
    postgres_url: str
    gateway_port: int
    ports: Mapping[str, int]
    """Of the other services, by name."""


@dataclass(frozen=True, slots=True)
class Service:
    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    port: int
    probe_path: str = "/readyz"
    grace_seconds: float = 15.0

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def probe(self) -> str:
        return f"http://{self.address}{self.probe_path}"


@dataclass(frozen=True, slots=True)
class Stages:
    """What a service needs is in an earlier stage."""

    simulator: tuple[Service, ...]
    """One or none."""
    accounting: Service
    workers: tuple[Service, ...]
    ingress: Service

    @property
    def in_start_order(self) -> tuple[tuple[Service, ...], ...]:
        return self.simulator, (self.accounting,), self.workers, (self.ingress,)

    @property
    def all(self) -> tuple[Service, ...]:
        return tuple(service for stage in self.in_start_order for service in stage)


def stages(at: Addresses, folder: StackFolder, *, workers: int, simulated: bool, environ: Mapping[str, str]) -> Stages:
    common = {
        **environ,
        "KAFKA_URL": at.kafka_url,
        "REDIS_URL": at.redis_url,
        "POSTGRES_URL": at.postgres_url,
        "SLUICE_CONFIG": str(at.config.absolute()),
        "SLUICE_PROBE_HOST": HOST,
        "SLUICE_BLOBS_URL": environ.get("SLUICE_BLOBS_URL") or str(folder.blobs),
        "PYTHONUNBUFFERED": "1",
    }
    return Stages(
        simulator=(_simulator(at.ports["simulator"], folder, environ),) if simulated else (),
        accounting=_accounting(at.ports["accounting"], common),
        workers=tuple(_worker(f"worker-{number}", at, common) for number in range(1, workers + 1)),
        ingress=_ingress(at.gateway_port, common),
    )


def python_module(module: str, *arguments: str) -> tuple[str, ...]:
    # -P: a folder of the user's called `services` or `shared` must not stand before ours.
    return sys.executable, "-P", "-m", module, *arguments


def _ingress(port: int, common: Mapping[str, str]) -> Service:
    told = {**common, "SLUICE_INGRESS_HOST": HOST, "SLUICE_INGRESS_PORT": str(port)}
    return Service("ingress", python_module("services.ingress"), told, port)


def _worker(name: str, at: Addresses, common: Mapping[str, str]) -> Service:
    port = at.ports[name]
    told = {**common, "SLUICE_WORKER_NAME": name, "SLUICE_WORKER_PROBE_PORT": str(port)}
    return Service(name, python_module("services.router_worker"), told, port, grace_seconds=_WORKER_GRACE_SECONDS)


def _accounting(port: int, common: Mapping[str, str]) -> Service:
    told = {**common, "SLUICE_ACCOUNTING_PROBE_PORT": str(port)}
    return Service("accounting", python_module("services.accounting"), told, port)


def _simulator(port: int, folder: StackFolder, environ: Mapping[str, str]) -> Service:
    arguments = ("--port", str(port), "--config", str(folder.simulator_config), "--log", str(folder.served))
    command = python_module("simulator", *arguments)
    return Service("simulator", command, environ, port, probe_path="/_sim/totals", grace_seconds=5.0)
