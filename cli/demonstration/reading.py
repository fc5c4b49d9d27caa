"""How are events read by somebody with a bad connection? Over real HTTP: dropped, and resumed behind the last id."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from itertools import zip_longest
from typing import Final

import httpx
import orjson

from cli.demonstration.evidence import Event, Reading
from cli.demonstration.plan import ReaderPlan
from cli.demonstration.progress import Progress
from services.router_worker.providers.sse import ServerSentEvent, SseDecoder
from shared.job_log import EventType

__all__ = ["Readers", "has_text", "sse_events"]

_PATIENCE_SECONDS: Final = 90.0
"""Without the end of the job; whoever still waits then has lost something, and the checks will say what."""
_PAUSE_SECONDS: Final = 0.2
_STEADY: Final = ReaderPlan((), ())


class Readers:
    """Of the events of jobs, through one gateway."""

    def __init__(self, client: httpx.AsyncClient, progress: Progress) -> None:
        self._client = client
        self._progress = progress
        self.first_tokens: dict[str, float] = {}
        """When the first reader of a job got its first token, by the monotonic clock."""

    async def read(
        self,
        job: str,
        reader: str,
        plan: ReaderPlan = _STEADY,
        after: str | None = None,
        *,
        by_query: bool = False,
        patience_seconds: float = _PATIENCE_SECONDS,
    ) -> Reading:
        """Until the job has ended, over as many connections as it takes. `by_query` names the place as `?after=`."""
        events: list[Event] = []
        connections = 0
        visits = zip_longest(plan.drops, plan.pauses)
        self._progress.readers += 1
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_seconds):
                while True:
                    drop_after, pause = next(visits, (None, _PAUSE_SECONDS))
                    self._progress.resumed += connections > 0
                    connections += 1
                    request = self._request(job, events[-1].id if events else after, by_query=by_query)
                    if await self._visit(job, request, events, drop_after):
                        break
                    await asyncio.sleep(pause)
        self._progress.readers -= 1
        return Reading(reader, after, tuple(events), connections)

    def _request(self, job: str, place: str | None, *, by_query: bool) -> httpx.Request:
        asked = {} if place is None else {"after": place} if by_query else {"last-event-id": place}
        params, headers = (asked, None) if by_query else (None, asked)
        return self._client.build_request("GET", f"/v1/jobs/{job}/events", params=params, headers=headers)

    async def _visit(self, job: str, request: httpx.Request, events: list[Event], drop_after: int | None) -> bool:
        """One connection. Whether there is nothing more to come."""
        taken = 0
        try:
            async with aclosing(await self._client.send(request, stream=True)) as answer:
                if answer.status_code == httpx.codes.NO_CONTENT:
                    return True
                if not answer.is_success:
                    return False
                async with aclosing(sse_events(answer)) as coming:
                    async for event in coming:
                        self._take(job, event, events)
                        taken += 1
                        if EventType(event.event).is_terminal:
                            return True
                        if taken == drop_after:
                            return False
        except httpx.TransportError:
            return False  # a dropped connection is what this is all about
        return False

    def _take(self, job: str, event: ServerSentEvent, events: list[Event]) -> None:
        events.append(Event(event.id, event.event, event.data))
        self._progress.events += 1
        if job not in self.first_tokens and event.event == EventType.DELTA and has_text(event.data):
            self.first_tokens[job] = time.monotonic()


async def sse_events(answer: httpx.Response) -> AsyncGenerator[ServerSentEvent]:
    """Raises httpx.TransportError when the connection breaks."""
    decoder = SseDecoder()
    async for packet in answer.aiter_bytes():
        for event in decoder.feed(packet):
            yield event


def has_text(chunk: bytes) -> bool:
    """Whether a `chat.completion.chunk` shows anything to a person."""
    choices = orjson.loads(chunk).get("choices") or ()
    return any(choice.get("delta", {}).get("content") for choice in choices)
