"""An answer that is still being worked out while it is sent."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Final

from starlette.background import BackgroundTask
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["BODY_WAY", "JOB_ID", "Exchange", "Reply"]

JOB_ID: Final = "x-sluice-job-id"

BODY_WAY: Final = "sluice.body_way"
"""In the scope: how what follows an answer's head is sent without passing the framework, which only watches for heads.
There is one such message per token.
"""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer, as ASGI hands them over."""

    scope: Scope
    receive: Receive
    send: Send

    @property
    def send_body(self) -> Send:
        """For what comes behind the head."""
        way: Send = self.scope.get(BODY_WAY, self.send)
        return way

    async def respond(self, response: ASGIApp) -> None:
        await response(self.scope, self.receive, self.send)


class Reply(Response, ABC):
    """A starlette response to the framework and nothing of one inside: what is sent, and when, is up to `answer`."""

    def __init__(self) -> None:
        # Not `super().__init__()`: there is no body yet, and the status is not known.
        self.background: BackgroundTask | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.answer(Exchange(scope, receive, send))

    @abstractmethod
    async def answer(self, exchange: Exchange) -> None:
        """Sends one whole response. What it raises before the first byte becomes an error's answer."""
