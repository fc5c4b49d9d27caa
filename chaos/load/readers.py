"""How are a job's events read by somebody with a bad connection? Dropped, and resumed at the next replica."""

import asyncio
import itertools
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

import aiohttp

from chaos.facts import Event, Transcript, Visit
from chaos.load.plan import ReaderPlan
from chaos.load.sse import events_of
from shared.job_log import EventType

__all__ = ["Readers"]

_TERMINAL: Final = frozenset(event.value for event in EventType if event.is_terminal)
_PAUSE_SECONDS: Final = 0.3
_SILENCES: Final = 3
"""So many keep-alives may be missed before a reader takes its connection for dead."""


@dataclass(slots=True)
class Readers:
    session: aiohttp.ClientSession
    gateways: Mapping[str, str]
    keepalive_seconds: float
    hurry: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when all is over: whoever waits between two visits goes at once."""

    async def read(
        self, job: str, key: str, plan: ReaderPlan, patience: float, shown: Sequence[bytes] = ()
    ) -> Transcript:
        """Until it was told that nothing more comes, or for `patience` seconds."""
        reading = _Reading(plan.name, job, tuple(shown))
        give_up_at = time.monotonic() + patience
        drops = itertools.chain(plan.drops, itertools.repeat(None))
        pauses = itertools.chain(plan.pauses, itertools.repeat(_PAUSE_SECONDS))
        for turn, drop_after, pause in zip(itertools.count(plan.first), drops, pauses, strict=False):
            left = give_up_at - time.monotonic()
            if reading.over or left <= 0:
                break
            try:
                async with asyncio.timeout(left):
                    await self._visit(reading, turn, key, drop_after)
            except TimeoutError:
                break
            if not reading.over:
                await self._pause(pause)
        return reading.transcript()

    async def _visit(self, reading: "_Reading", turn: int, key: str, drop_after: int | None) -> None:
        names = list(self.gateways)
        name = names[turn % len(names)]
        began, before, status = time.time(), len(reading.events), None
        headers = {"authorization": f"Bearer {key}"}
        if reading.events:
            headers["last-event-id"] = reading.events[-1].id
        url = f"{self.gateways[name]}/v1/jobs/{reading.job}/events"
        silence = aiohttp.ClientTimeout(total=None, sock_read=self.keepalive_seconds * _SILENCES)
        try:
            async with self.session.get(url, headers=headers, timeout=silence) as answer:
                status = answer.status
                reading.over = status == HTTPStatus.NO_CONTENT
                if status == HTTPStatus.OK:
                    await reading.take(answer.content, drop_after)
        except (aiohttp.ClientError, OSError, TimeoutError):
            pass  # that replica, or the way to it, is gone: the next one
        finally:
            count = len(reading.events) - before
            reading.visits.append(Visit(name, began, time.time(), status, count))

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.hurry.wait()
        except TimeoutError:
            return
        await asyncio.sleep(min(seconds, _PAUSE_SECONDS))


@dataclass(slots=True)
class _Reading:
    reader: str
    job: str
    shown: tuple[bytes, ...]
    events: list[Event] = field(default_factory=list)
    visits: list[Visit] = field(default_factory=list)
    over: bool = False

    async def take(self, content: aiohttp.StreamReader, drop_after: int | None) -> None:
        taken = 0
        async with aclosing(events_of(content)) as events:
            async for event in events:
                self.events.append(event._replace(at=time.time()))
                taken += 1
                if event.type in _TERMINAL:
                    self.over = True
                    return
                if taken == drop_after:
                    return

    def transcript(self) -> Transcript:
        return Transcript(
            self.reader, self.job, tuple(self.events), tuple(self.visits), ended=self.over, shown=self.shown
        )
