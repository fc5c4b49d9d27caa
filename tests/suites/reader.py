"""A reader of a job's events over real HTTP: it drops, resumes, changes replicas, and remembers what it was given."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import httpx
import orjson

__all__ = ["Event", "Reader", "events_of"]

TERMINAL = frozenset({"done", "error", "cancelled", "expired"})


@dataclass(frozen=True, slots=True)
class Event:
    id: str
    type: str
    data: bytes


async def events_of(response: httpx.Response) -> AsyncIterator[Event]:
    """Server-sent events by the standard; comments are dropped."""
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if not line:
            if "data" in fields:
                yield Event(fields.get("id", ""), fields.get("event", "message"), fields["data"].encode())
            fields = {}
            continue
        name, _, value = line.partition(":")
        if name:
            fields[name] = value.removeprefix(" ")


@dataclass(slots=True)
class Reader:
    """Follows one job to its end. `drop_after` events it hangs up and comes back, at the next of the replicas."""

    urls: Sequence[str]
    key: str
    job: str
    drop_after: int | None = None
    events: list[Event] = field(default_factory=list)
    visits: int = 0

    async def read(self, seconds: float = 60) -> "Reader":
        async with asyncio.timeout(seconds), httpx.AsyncClient(timeout=httpx.Timeout(30)) as client:
            for url in itertools.cycle(self.urls):
                self.visits += 1
                try:
                    await self._visit(client, url)
                except httpx.TransportError:
                    await asyncio.sleep(0.05)  # that replica has died: the next one
                if self.events and self.events[-1].type in TERMINAL:
                    return self
        raise AssertionError("unreachable")

    async def _visit(self, client: httpx.AsyncClient, url: str) -> None:
        headers = {"authorization": f"Bearer {self.key}"}
        if self.events:
            headers["last-event-id"] = self.events[-1].id
        begun = len(self.events)
        async with client.stream("GET", f"{url}/v1/jobs/{self.job}/events", headers=headers) as response:
            if response.status_code >= 500:
                await asyncio.sleep(0.1)
                return
            assert response.status_code == 200, (response.status_code, await response.aread())
            async for event in events_of(response):
                self.events.append(event)
                if self.drop_after is not None and len(self.events) - begun >= self.drop_after:
                    return

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.events]

    @property
    def ids(self) -> list[tuple[int, int]]:
        return [(int(epoch), int(seq)) for epoch, seq in (event.id.split("-") for event in self.events)]

    @property
    def text(self) -> str:
        """What was shown, where a restart voids what came before."""
        pieces: list[str] = []
        for event in self.events:
            if event.type == "restart":
                pieces.clear()
            if event.type == "delta":
                pieces += [c["delta"].get("content") or "" for c in orjson.loads(event.data)["choices"]]
        return "".join(pieces)

    @property
    def result(self) -> dict[str, object]:
        whole: dict[str, object] = orjson.loads(self.events[-1].data)
        return whole
