"""Read a request's body, and keep none of one that is too large: nobody fills this process's memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import Request

from services.ingress.api.problems import Problem, ProblemError, body_too_large
from services.ingress.api.upload import LargeBodies, Upload, discard
from shared.blobs import INLINE_BYTES

__all__ = ["refuse_announced", "whole_body"]


@asynccontextmanager
async def whole_body(request: Request, limit: int, large: LargeBodies) -> AsyncIterator[bytes]:
    """A large one has its place as long as the block lasts. Raises ProblemError (408, 413, 503)."""
    async with Upload(request, large) as upload:
        await refuse_announced(request, upload, limit)
        body = bytearray()
        async for piece in upload.pieces():
            body += piece
            if problem := await _problem_of(len(body), limit, upload):
                body.clear()
                await discard(upload)
                raise ProblemError(problem)
        read = bytes(body)
        body.clear()
        yield read


async def _problem_of(size: int, limit: int, upload: Upload) -> Problem | None:
    if size > limit:
        return body_too_large(limit)
    return await upload.is_large() if size > INLINE_BYTES else None


async def refuse_announced(request: Request, upload: Upload, limit: int) -> None:
    """Raises ProblemError (413) when the request says of itself that it is too large."""
    length = request.headers.get("content-length", "")
    if not length.isdigit() or int(length) <= limit:
        return
    if "expect" not in request.headers:  # who asks first has sent nothing yet
        await discard(upload)
    raise ProblemError(body_too_large(limit))
