"""A client directly on an ASGI application: sees every message as it is sent, reads as slowly as it likes, leaves."""

import asyncio
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from starlette.types import ASGIApp, Message

__all__ = ["Call"]


@dataclass(slots=True)
class Call:
    """`async with Call(app, "GET", "/v1/models") as call: await call.ended()`."""

    app: ASGIApp
    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | list[bytes] = b""
    query: str = ""
    reads: bool = True
    """A client that does not read blocks the sender."""
    status: int | None = None
    answer_headers: dict[str, str] = field(default_factory=dict)
    received: bytes = b""
    complete: bool = False
    _left: asyncio.Event = field(default_factory=asyncio.Event)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _task: "asyncio.Task[None] | None" = None

    async def __aenter__(self) -> Self:
        pieces = [self.body] if isinstance(self.body, bytes) else self.body
        messages: list[Message] = [
            {"type": "http.request", "body": piece, "more_body": at < len(pieces) - 1}
            for at, piece in enumerate(pieces)
        ]

        async def receive() -> Message:
            if messages:
                return messages.pop(0)
            await self._left.wait()
            return {"type": "http.disconnect"}

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": self.method,
            "path": self.path,
            "raw_path": self.path.encode(),
            "query_string": self.query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in self.headers.items()],
            "scheme": "http",
            "server": ("test", 80),
            "client": ("test", 1),
            "root_path": "",
        }
        self._task = asyncio.ensure_future(self._run(scope, receive))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, scope: dict[str, object], receive: object) -> None:
        await self.app(scope, receive, self._take)  # type: ignore[arg-type]
        async with self._changed:
            self._changed.notify_all()

    async def _take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.answer_headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            self.received += message.get("body", b"")
            self.complete = not message.get("more_body", False)
            if not self.reads:
                await asyncio.Event().wait()
        async with self._changed:
            self._changed.notify_all()

    def leave(self) -> None:
        self._left.set()

    async def until(self, text: bytes) -> None:
        """Until it has received `text`."""
        await self._wait(lambda: text in self.received, f"{text!r} in {self.received!r}")

    async def ended(self) -> None:
        """Until the application has returned."""
        assert self._task is not None
        await asyncio.wait_for(asyncio.shield(self._task), 10)

    async def _wait(self, condition: object, what: str) -> None:
        try:
            async with asyncio.timeout(10), self._changed:
                await self._changed.wait_for(condition)  # type: ignore[arg-type]
        except TimeoutError:
            raise AssertionError(what) from None
