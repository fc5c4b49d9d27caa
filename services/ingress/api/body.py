"""Read a request's body, and keep none of one that is too large: nobody fills this process's memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

from starlette.requests import ClientDisconnect, Request

from services.ingress.api.problems import Problem, ProblemError, body_too_large

__all__ = ["discard", "pieces", "read_body", "refuse_announced"]

_DISCARDED_BYTES: Final = 64_000_000
_DISCARD_SECONDS: Final = 10


async def read_body(request: Request, limit: int) -> bytes:
    """Raises ProblemError (413)."""
    await refuse_announced(request, limit)
    body = bytearray()
    reading = pieces(request)
    async for piece in reading:
        body += piece
        if len(body) > limit:
            body.clear()
            await discard(reading)
            raise ProblemError(body_too_large(limit))
    return bytes(body)


async def refuse_announced(request: Request, limit: int) -> None:
    """Raises ProblemError (413) when the request says of itself that it is too large."""
    length = request.headers.get("content-length", "")
    if not length.isdigit() or int(length) <= limit:
        return
    if "expect" not in request.headers:  # who asks first has sent nothing yet
        await discard(pieces(request))
    raise ProblemError(body_too_large(limit))


async def discard(rest: AsyncIterator[bytes]) -> None:
    """Read what the client still sends, within limits.

    Most clients look for an answer when they have sent all; an answer before that, and a closed
    connection, reaches them as an error of the network.
    """
    read = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(_DISCARD_SECONDS):
            async for piece in rest:
                read += len(piece)
                if read > _DISCARDED_BYTES:
                    return


async def pieces(request: Request) -> AsyncIterator[bytes]:
    try:
        async for piece in request.stream():
            yield piece
    except ClientDisconnect:
        # Nobody reads this answer; it only ends the request in an orderly way.
        raise ProblemError(Problem(400, "The client left before it had sent its request.")) from None
