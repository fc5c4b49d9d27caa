"""What does the run take place on? The stack of `sluice up` in a folder of its own, with two simulated providers."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cli.demonstration.borrowing import borrowed_servers
from cli.demonstration.folder import stack_folder
from cli.demonstration.setting import PROVIDERS, ProviderPlace, gateway_text, new_visitor_key, simulator_text
from cli.stack.ports import settle
from cli.stack.run import Up
from cli.stack.service import python_module
from cli.stack.settling import Wishes
from cli.stack.state import ServiceState, StackState, write_private
from devstack.leash import Leashed, leashed
from shared.config import Config, load_config

__all__ = ["Stage", "running_stage"]

_WORKERS: Final = 2
_SIMULATOR_GRACE_SECONDS: Final = 5.0

_ALERT: Final = {"SLUICE_HEARTBEAT_SECONDS": "0.5", "SLUICE_DEAD_AFTER_SECONDS": "2"}
"""A killed worker is missed sooner than in production, so that nobody has to watch the demo wait."""
_PATIENT: Final = {"SLUICE_SUBMIT_SECONDS": "60", "SLUICE_REDIS_SECONDS": "20", "SLUICE_POSTGRES_SECONDS": "20"}
"""Nobody is to be turned away because the machine is busy with something else."""
_OWN_KAFKA: Final = {"SLUICE_SESSION_SECONDS": "3"}
"""Brokers of other people's take no session as short as this."""


class StackWatch:
    """Takes the place of the stack's screen: remembers how it stands, and passes on what a visitor may want to hear."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.tell = tell
        self.ready_stack: asyncio.Future[StackState] = asyncio.get_running_loop().create_future()
        self.services: Sequence[ServiceState] = ()
        self.pids: dict[int, str] = {}
        """Every process that ever ran, by its name."""

    def show(self, services: Sequence[ServiceState]) -> None:
        self.services = services
        for service in services:
            self.saw(service.name, service.pid)

    def ready(self, stack: StackState) -> None:
        if not self.ready_stack.done():
            self.ready_stack.set_result(stack)

    def saw(self, name: str, pid: int | None) -> None:
        if pid is not None:
            self.pids[pid] = name


@dataclass(frozen=True, slots=True)
class Stage:
    key: str
    config: Config
    providers: Mapping[str, ProviderPlace]
    stack: StackState
    """Addresses of everything."""
    watch: StackWatch

    @property
    def workers(self) -> tuple[ServiceState, ...]:
        """Those that run at this moment."""
        services = self.watch.services
        return tuple(each for each in services if each.name.startswith("worker-") and each.pid is not None)


@asynccontextmanager
async def running_stage(
    folder: Path, models: Sequence[str], seed: int, *, environ: Mapping[str, str], watch: StackWatch
) -> AsyncIterator[Stage]:
    """Everything ready; afterwards nothing of it runs. Raises OperatorError, perhaps in a group."""
    ports = settle((*PROVIDERS, "gateway"), folder / "demo-ports.json")
    providers = {name: ProviderPlace(ports[name]) for name in PROVIDERS}
    key = new_visitor_key()
    config = folder / "sluice.yaml"
    write_private(config, gateway_text(models, providers, key))
    async with AsyncExitStack() as closing:
        lent = await closing.enter_async_context(borrowed_servers(environ))
        for name, place in providers.items():
            (folder / f"{name}.json").write_text(simulator_text(name, seed))
            process = await _started_provider(folder, name, place, environ)
            closing.push_async_callback(process.stop, _SIMULATOR_GRACE_SECONDS)
            watch.saw(name, process.pid)
        wishes = Wishes(workers=_WORKERS, port=ports["gateway"], config=config, simulator=False)
        up = Up(stack_folder(folder), wishes, watch, _environment(environ, lent))
        running = await closing.enter_async_context(asyncio.TaskGroup())
        standing = running.create_task(up.run(), name="stack")
        try:
            yield Stage(key, load_config(config, {}), providers, await watch.ready_stack, watch)
        except BaseException:
            up.kill()  # what they still have in hand nobody will ask for
            raise
        finally:
            standing.cancel()


async def _started_provider(folder: Path, name: str, place: ProviderPlace, environ: Mapping[str, str]) -> Leashed:
    """It listens some time later: the stack takes longer."""
    files = ("--config", str(folder / f"{name}.json"), "--log", str(folder / f"{name}-served.jsonl"))
    command = python_module("simulator", "--port", str(place.port), *files)
    return await leashed(command, env=environ, log=folder / f"{name}.log")


def _environment(environ: Mapping[str, str], lent: Mapping[str, str]) -> dict[str, str]:
    """The visitor's own settings of Sluice, such as a configuration, have no part in the demo."""
    plain = {name: value for name, value in environ.items() if not name.startswith("SLUICE_")}
    own_kafka = {} if environ.get("KAFKA_URL") else _OWN_KAFKA
    return {**plain, **_ALERT, **_PATIENT, **own_kafka, **lent}
