"""Read a request's body, and stop reading as soon as it is too large: nobody fills this process's memory."""

from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect, Request

from services.ingress.api.problems import Problem, ProblemError, body_too_large

__all__ = ["pieces", "read_body", "refuse_announced"]


async def read_body(request: Request, limit: int) -> bytes:
    """Raises ProblemError (413) before or while reading."""
    refuse_announced(request, limit)
    body = bytearray()
    async for piece in pieces(request):
        body += piece
        if len(body) > limit:
            raise ProblemError(body_too_large(limit))
    return bytes(body)


def refuse_announced(request: Request, limit: int) -> None:
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise ProblemError(body_too_large(limit))


async def pieces(request: Request) -> AsyncIterator[bytes]:
    try:
        async for piece in request.stream():
            yield piece
    except ClientDisconnect:
        # Nobody reads this answer; it only ends the request in an orderly way.
        raise ProblemError(Problem(400, "The client left before it had sent its request.")) from None
