"""What every answer has, whoever gives it: a request id, a line in the metrics, and never a bare traceback.

Plain ASGI on purpose: starlette's own middleware class would put a queue and a task between a stream and its client.
"""

import re
import time
from collections.abc import Callable
from enum import Enum, auto
from typing import Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.ingress.api.problems import internal
from services.ingress.api.reply import BODY_WAY
from shared.ids import new_id
from shared.telemetry import Instruments, bound
from shared.telemetry.metrics import HTTP_REQUESTS, HTTP_SECONDS

__all__ = ["Edge"]

log = structlog.get_logger()

_SANE: Final = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
_HEADER: Final = b"x-request-id"


class _Progress(Enum):
    """Of an answer."""

    NOTHING = auto()
    BEGUN = auto()
    WHOLE = auto()


class Edge:
    def __init__(self, app: ASGIApp, instruments: Instruments) -> None:
        self._app = app
        self._requests = instruments.counter(HTTP_REQUESTS)
        self._seconds = instruments.histogram(HTTP_SECONDS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        began = time.perf_counter()
        progress = _Progress.NOTHING

        async def send_on(message: Message) -> None:
            nonlocal progress
            if message["type"] == "http.response.start" and progress is _Progress.NOTHING:
                progress = _Progress.BEGUN
                message["headers"] = [*message["headers"], (_HEADER, request_id)]
                self._measure(scope, message["status"], time.perf_counter() - began)
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                progress = _Progress.WHOLE

        scope[BODY_WAY] = send_on
        with bound(request_id=request_id.decode()):
            await self._guarded(scope, receive, send_on, lambda: progress)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send, progress: Callable[[], "_Progress"]) -> None:
        try:
            await self._app(scope, receive, send)
        # The edge of the process: what reaches it is a fault of ours, told in full to the log and not to the caller.
        except Exception:
            log.exception("request_failed", method=scope["method"], path=scope["path"])
            match progress():
                case _Progress.NOTHING:
                    await internal().response()(scope, receive, send)
                case _Progress.BEGUN:
                    raise  # the server closes the connection, which is all that can still be said
                case _Progress.WHOLE:
                    pass

    def _measure(self, scope: Scope, status: int, seconds: float) -> None:
        # The template, not the path: a path holds ids, and a label's values are kept for ever.
        route = getattr(scope.get("route"), "path", "other")
        self._requests.labels(route, scope["method"] if route != "other" else "any", str(status)).inc()
        self._seconds.labels(route).observe(seconds)


def _request_id(scope: Scope) -> bytes:
    for name, value in scope["headers"]:
        if name == _HEADER and _SANE.fullmatch(value):
            return bytes(value)
    return new_id("req").encode()
