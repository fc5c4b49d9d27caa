"""Of two calls that are made for one answer, who is heard?"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

from services.router_worker.assembly import Assembler
from services.router_worker.attempt import Attempt
from services.router_worker.calls import Permit
from services.router_worker.events import Chunk
from services.router_worker.failures import Failure
from services.router_worker.routing.steps import Call
from shared.contracts import AttemptRole

__all__ = ["Caller", "Race"]


@dataclass(slots=True, eq=False)
class Caller:
    """One of the calls that are made for an answer."""

    call: Call
    permit: Permit
    assembler: Assembler
    role: AttemptRole | None = None
    """None where it follows from the call before."""
    attempt: Attempt | None = None
    """Once it has begun."""
    held: list[Chunk] = field(default_factory=list)
    """What it said before its first output, while it was open who would be heard."""
    is_over: bool = False

    def give_back(self, used: int | None, failure: Failure | None) -> None:
        """The permit, once."""
        if not self.is_over:
            self.is_over = True
            self.permit.end(used, failure)


@dataclass(slots=True, eq=False)
class Race:
    """Who of those that are called is heard?"""

    heard: Caller | None = None
    calls: int = 0
    running: int = 0
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    async def settled(self, within_seconds: float | None = None) -> None:
        """Returns when somebody is heard, or nobody is left, or so much time has passed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_seconds):
                while self.heard is None and self.running:
                    self.moved.clear()
                    await self.moved.wait()
