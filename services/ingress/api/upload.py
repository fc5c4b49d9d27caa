"""A body on its way in. Once it turns out to be large it needs a place, and there are as many as memory is for them.

Whoever waits for a place is not read meanwhile, and the network makes its sender wait. Whoever has one must use it: a
sender that only trickles would keep the others out.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from starlette.requests import ClientDisconnect, Request

from services.ingress.api.problems import Problem, ProblemError, too_many_large, too_slow

__all__ = ["LargeBodies", "Upload", "discard"]

_DISCARDED_BYTES: Final = 64_000_000
_DISCARD_SECONDS: Final = 10


class LargeBodies:
    """The places."""

    def __init__(self, at_once: int = 4, *, wait_seconds: float = 20, upload_seconds: float = 120) -> None:
        self.places = asyncio.Semaphore(at_once)
        self.wait_seconds = wait_seconds
        self.upload_seconds = upload_seconds


class Upload:
    """Gives its place back when its block is left."""

    def __init__(self, request: Request, large: LargeBodies) -> None:
        self._stream = request.stream()
        self._large = large
        self._until: float | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.is_small_again()

    async def pieces(self) -> AsyncIterator[bytes]:
        """Raises ProblemError when the client leaves, or is too slow with what is large."""
        while True:
            try:
                async with asyncio.timeout_at(self._until):
                    piece = await anext(self._stream, None)
            except TimeoutError:
                raise ProblemError(too_slow(self._large.upload_seconds)) from None
            except ClientDisconnect:
                # Nobody reads this answer; it only ends the request in an orderly way.
                raise ProblemError(Problem(400, "The client left before it had sent its request.")) from None
            if piece is None:
                return
            yield piece

    async def is_large(self) -> Problem | None:
        """Waits for a place, unless there is one already; gives a problem (503) when none comes free."""
        if self._until is None:
            try:
                async with asyncio.timeout(self._large.wait_seconds):
                    await self._large.places.acquire()
            except TimeoutError:
                return too_many_large()
            self._begin()
        return None

    async def is_large_in_between(self) -> None:
        """As `is_large`, however long it takes: what came before it is queued already, and has to be told of."""
        if self._until is None:
            await self._large.places.acquire()
            self._begin()

    def is_small_again(self) -> None:
        if self._until is not None:
            self._until = None
            self._large.places.release()

    def _begin(self) -> None:
        self._until = asyncio.get_running_loop().time() + self._large.upload_seconds


async def discard(upload: Upload) -> None:
    """Read what the client still sends, within limits.

    Most clients look for an answer when they have sent all; an answer before that, and a closed
    connection, reaches them as an error of the network.
    """
    read = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(_DISCARD_SECONDS):
            async for piece in upload.pieces():
                read += len(piece)
                if read > _DISCARDED_BYTES:
                    return
