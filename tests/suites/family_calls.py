"""A family as a router worker meets it: calls over HTTP to a simulator that speaks it, and what that understood."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from services.router_worker.assembly import Assembler
from services.router_worker.events import AttemptEvent, Chunk, Failed, LimitsTold, UsageReported
from services.router_worker.failures import Failure
from services.router_worker.providers.transport import Providers
from shared.contracts import Endpoint, Job, TokenUsage
from simulator import Config, Served, Simulator, running_simulator
from simulator.dialects import find_dialect
from simulator.exchange import Ask
from tests.dialects.families import Family
from tests.suites.provider_calls import a_job, called, connected, name_of, until

__all__ = ["Heard", "Talk", "talking"]


@dataclass(frozen=True, slots=True)
class Heard:
    """One answer."""

    job: Job
    events: list[AttemptEvent]
    ask: Ask | None
    """What the simulator understood; None when nothing reached it."""

    @property
    def asked(self) -> Ask:
        assert self.ask is not None, "nothing reached the simulator"
        return self.ask

    @property
    def response(self) -> dict[str, Any]:
        """The whole answer, put together where it was streamed."""
        assembler = Assembler()
        for event in self.events:
            assembler.add(event)
        response = assembler.response()
        assert response is not None, self.events
        return response

    @property
    def choice(self) -> dict[str, Any]:
        choice: dict[str, Any] = self.response["choices"][0]
        return choice

    @property
    def message(self) -> dict[str, Any]:
        message: dict[str, Any] = self.choice["message"]
        return message

    @property
    def chunks(self) -> list[dict[str, Any]]:
        return [orjson.loads(event.data) for event in self.events if isinstance(event, Chunk)]

    @property
    def ending(self) -> AttemptEvent:
        return self.events[-1]

    @property
    def failure(self) -> Failure:
        assert isinstance(self.ending, Failed), self.ending
        return self.ending.failure

    @property
    def usage(self) -> TokenUsage:
        (reported,) = [event for event in self.events if isinstance(event, UsageReported)]
        return reported.usage

    @property
    def limits(self) -> LimitsTold:
        told = self.events[0]
        assert isinstance(told, LimitsTold), told
        return told


@dataclass(frozen=True, slots=True)
class Talk:
    family: Family
    sim: Simulator
    providers: Providers

    async def ask(self, script: str = "", *, streamed: bool = True, **body: Any) -> Heard:
        job = a_job(streamed=streamed, **body)
        events = await called(self.providers, script, job=job)
        return Heard(job, events, self._understood(job))

    async def embed(self, **body: Any) -> Heard:
        job = a_job(streamed=False, **body).model_copy(update={"endpoint": Endpoint.EMBEDDINGS})
        job.body.pop("messages")
        events = await called(self.providers, job=job)
        return Heard(job, events, self._understood(job))

    async def served(self) -> Served:
        """The last call, when the simulator has ended it."""
        await until(lambda: self.sim.totals().in_flight == 0)
        return self.sim.served()[-1]

    def _understood(self, job: Job) -> Ask | None:
        request = self.sim.request(name_of(job))
        found = find_dialect(request.method, request.path) if request else None
        return found[0].understand(request) if found and request else None


@asynccontextmanager
async def talking(family: Family, config: Config | None = None) -> AsyncIterator[Talk]:
    async with (
        running_simulator(config or Config(seed=1)) as sim,
        connected(sim.url + family.path, dialect=family.dialect, **family.section) as providers,
    ):
        yield Talk(family, sim, providers)
