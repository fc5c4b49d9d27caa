"""`sluice up` from beginning to end: settle, start the servers, prepare them, start the services, watch, end in order.

Theory. Everything that runs is on a leash (`devstack.leash`): it ends when this process does, however that ends. Beyond
that, a stop is orderly: the ingress first, so that nothing new comes in, then the workers, which finish or hand over
what they run, then the ledger, then the provider and the servers. The lock on the folder is held by every one of these
processes too, so the next `up` begins when the last of them has gone.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Final

from aiokafka.errors import KafkaError

from cli.stack.folder import StackFolder
from cli.stack.keeping import Keeper
from cli.stack.probing import new_prober
from cli.stack.runner import Runner
from cli.stack.screen import Screen
from cli.stack.service import Addresses, Stages, stages
from cli.stack.settling import Setting, Wishes, settled
from cli.stack.state import Phase, ServiceState, StackState, write_state
from cli.stack.welcome import Welcome, examples, greeting
from devstack.data_folder import exclusive
from devstack.server import ServersUnavailable
from devstack.stack import Stack, running_stack
from shared.clock import utc_now
from shared.errors import OperatorError
from shared.kafka import ensure_topics
from shared.settings import KafkaSettings, read_settings
from shared.topics import with_submit_topics

__all__ = ["Up"]

_READY_SECONDS: Final = 120.0
_LOG_BYTES: Final = 50_000_000
"""A log longer than this is put aside at the next start."""


@dataclass(slots=True)
class Up:
    folder: StackFolder
    wishes: Wishes
    screen: Screen
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    _runners: list[Runner] = field(default_factory=list)
    _keepers: list[Keeper] = field(default_factory=list)
    _state: StackState | None = None

    async def run(self) -> None:
        """Until cancelled. Raises OperatorError, perhaps in a group, when it cannot be brought up.

        Nothing runs afterwards in any case.
        """
        began = time.monotonic()
        try:
            async with exclusive(self.folder.owned) as lock:
                setting = settled(self.folder, self.wishes, self.environ)
                self.screen.tell("starting Kafka, Valkey and PostgreSQL")
                try:
                    async with running_stack(self.folder.root, environ=self.environ, tell=self.screen.tell) as servers:
                        await self._serve(setting, servers, lock, began)
                finally:
                    self.folder.state.unlink(missing_ok=True)
        except ServersUnavailable as unavailable:
            raise OperatorError(str(unavailable)) from unavailable

    def kill(self) -> None:
        """Wait for the services no longer."""
        for runner in self._runners:
            runner.kill()

    async def _serve(self, setting: Setting, servers: Stack, lock: int, began: float) -> None:
        at = Addresses(
            config=setting.config_path,
            kafka_url=servers.urls.kafka_url,
            redis_url=servers.urls.redis_url,
            postgres_url=servers.urls.postgres_url,
            gateway_port=setting.gateway_port,
            ports=setting.ports,
        )
        planned = stages(
            at, self.folder, workers=self.wishes.workers, simulated=setting.simulated, environ=self.environ
        )
        await _create_topics(at.kafka_url, setting)
        self._keepers = [Keeper(server, self.screen.tell, self._changed) for server in servers.servers]
        self._state = _beginning(setting, at)
        self.screen.tell(f"starting {', '.join(service.name for service in planned.all)}")
        async with self._services(planned, lock):
            await self._until_ready()
            welcome = _welcome(setting, at, time.monotonic() - began)
            self._state = self._state.model_copy(update={"greeting": greeting(welcome), "examples": examples(welcome)})
            self._enter(Phase.READY)
            self.screen.ready(self._state)
            await asyncio.Event().wait()

    @asynccontextmanager
    async def _services(self, planned: Stages, lock: int) -> AsyncIterator[None]:
        """All of them running, and kept so; ended stage by stage on the way out."""
        async with AsyncExitStack() as closing:
            prober = await closing.enter_async_context(new_prober())
            staged = [
                [
                    Runner(service, self._log(service.name), lock, prober, self.screen.tell, self._changed)
                    for service in stage
                ]
                for stage in planned.in_start_order
            ]
            self._runners = [runner for stage in staged for runner in stage]
            keeping = await closing.enter_async_context(asyncio.TaskGroup())
            watched = [keeping.create_task(keeper.run()) for keeper in self._keepers]
            for runner in self._runners:
                keeping.create_task(runner.run())
            try:
                yield
            finally:
                self._enter(Phase.STOPPING)
                for watch in watched:
                    watch.cancel()
                for stage in reversed(staged):
                    await asyncio.gather(*(runner.stop() for runner in stage))

    async def _until_ready(self) -> None:
        try:
            async with asyncio.timeout(_READY_SECONDS):
                for runner in self._runners:
                    await runner.ready.wait()
        except TimeoutError:
            late = next(runner for runner in self._runners if not runner.ready.is_set())
            raise OperatorError(
                f"{late.service.name} is not ready after {_READY_SECONDS:.0f} s: {late.trouble} (its log is {late.log})"
            ) from None

    def _log(self, name: str) -> Path:
        log = self.folder.log(name)
        if log.exists() and log.stat().st_size > _LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
        return log

    def _enter(self, phase: Phase) -> None:
        if self._state is not None:
            self._state = self._state.model_copy(update={"phase": phase})
            self._changed()

    def _changed(self) -> None:
        """Tell the terminal, and every other command that reads the state."""
        services: tuple[ServiceState, ...] = (
            *(keeper.state for keeper in self._keepers),
            *(runner.state for runner in self._runners),
        )
        self.screen.show(services)
        if self._state is not None:
            self._state = self._state.model_copy(update={"services": services})
            write_state(self.folder, self._state)


async def _create_topics(kafka_url: str, setting: Setting) -> None:
    """Here, once, rather than by each service: a broker that refuses them is told before anything else starts."""
    try:
        await ensure_topics(
            replace(read_settings(KafkaSettings).kafka, url=kafka_url),
            setting.topic_prefix,
            with_submit_topics(setting.config.submit_topics),
        )
    except KafkaError as error:
        raise OperatorError(f"The topics could not be created at {kafka_url}: {error}") from error


def _beginning(setting: Setting, at: Addresses) -> StackState:
    return StackState(
        pid=os.getpid(),
        version=version("sluice"),
        phase=Phase.STARTING,
        started_at=utc_now(),
        config=setting.config_path,
        simulated=setting.simulated,
        gateway_url=setting.gateway_url,
        api_key=setting.api_key,
        admin_key=setting.admin_key,
        kafka_url=at.kafka_url,
        redis_url=at.redis_url,
        postgres_url=at.postgres_url,
        namespace=setting.namespace,
        greeting="",
        topic_prefix=setting.topic_prefix,
    )


def _welcome(setting: Setting, at: Addresses, took_seconds: float) -> Welcome:
    return Welcome(
        gateway_url=setting.gateway_url,
        api_key=setting.api_key,
        kafka_url=at.kafka_url,
        submit_topic=setting.submit_topic,
        model=next(iter(setting.config.models), "gpt-4o"),
        config=setting.config_path,
        simulated=setting.simulated,
        took_seconds=took_seconds,
    )
