"""Many jobs in one request: a JSONL body is read line by line and queued as it comes, in batches, never as a whole.

The answer has a line for each line of the request, in order, with an id or an error. It is sent at the end, because
many clients read nothing before they have sent everything. A line that fails stops no other; when the queue is away,
the rest is told so without waiting for each.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from services.ingress.admission import Caller, Manner, Wishes
from services.ingress.api.body import refuse_announced
from services.ingress.api.doors import Doors
from services.ingress.api.job_view import detail, received_object
from services.ingress.api.problems import (
    Problem,
    ProblemError,
    bad_parameter,
    body_too_large,
    of_unavailable,
    record_too_large,
    unconfirmed,
)
from services.ingress.api.schemas import LineAnswer
from services.ingress.api.upload import Upload, discard
from services.ingress.ports import RecordTooLargeError, UnavailableError, UnconfirmedError
from shared.blobs import INLINE_BYTES
from shared.contracts import Door, Lane
from shared.telemetry import TraceContext

__all__ = ["LineBatch", "is_jsonl"]

_MANNER: Final = Manner(Door.JOBS, Lane.BATCH)
_TYPES: Final = frozenset({"application/jsonl", "application/x-ndjson", "application/x-jsonlines"})
_AT_ONCE: Final = 64
_MOST_BYTES: Final = 200_000_000
_MOST_LINES: Final = 50_000
"""OpenAI's limits of a batch file."""


def is_jsonl(headers: Headers) -> bool:
    return headers.get("content-type", "").partition(";")[0].strip().lower() in _TYPES


class LineBatch:
    def __init__(self, doors: Doors, caller: Caller, wishes: Wishes, trace: TraceContext) -> None:
        self._doors = doors
        self._caller = caller
        self._wishes = wishes
        self._trace = trace
        self._answers: list[LineAnswer] = []
        self._trouble: Problem | None = None
        """Why nothing more is queued."""

    async def submit(self, request: Request) -> Response:
        """Raises ProblemError when there is nothing to submit, or when the body says at once that it is too large."""
        async with Upload(request, self._doors.large) as upload:
            await refuse_announced(request, upload, _MOST_BYTES)
            await self._queue(_lines(upload, self._doors.body_bytes))
        if not self._answers:
            raise ProblemError(bad_parameter("body", "expected at least one line"))
        body = b"".join(answer.model_dump_json(exclude_none=True).encode() + b"\n" for answer in self._answers)
        return Response(body, 202, media_type="application/jsonl")

    async def _queue(self, lines: AsyncIterator[bytes | Problem]) -> None:
        batch: list[bytes] = []
        async for line in lines:
            if isinstance(line, Problem):
                await self._take(batch)
                batch = []
                self._answers.append(self._refused(len(self._answers) + 1, line))
                continue
            batch.append(line)
            if len(batch) == _AT_ONCE or len(line) > INLINE_BYTES:
                await self._take(batch)
                batch = []
        await self._take(batch)

    async def _take(self, batch: list[bytes]) -> None:
        first = len(self._answers) + 1
        self._answers += await asyncio.gather(*(self._answer(first + at, line) for at, line in enumerate(batch)))

    async def _answer(self, number: int, line: bytes) -> LineAnswer:
        if self._trouble is not None:
            return self._refused(number, self._trouble)
        try:
            received = await self._doors.receive(line, self._caller, _MANNER, self._wishes_of(number))
            await self._doors.reception.queue(received, self._trace.child())
        except ProblemError as error:
            return self._refused(number, error.problem)
        except RecordTooLargeError:
            return self._refused(number, record_too_large())
        except UnconfirmedError:
            self._trouble = unconfirmed()
            return self._refused(number, self._trouble)
        except UnavailableError as error:
            self._trouble = of_unavailable(error)
            return self._refused(number, self._trouble)
        shown = received_object(received)
        return LineAnswer(line=number, custom_id=shown.custom_id, id=shown.id, status=shown.status)

    def _wishes_of(self, number: int) -> Wishes:
        """The request's idempotency key is one for each of its lines, by a character that no caller's key can have."""
        key = self._wishes.key
        return self._wishes if key is None else replace(self._wishes, key=f"{key}\n{number}")

    @staticmethod
    def _refused(number: int, problem: Problem) -> LineAnswer:
        return LineAnswer(line=number, status="refused", error=detail(problem))


async def _lines(upload: Upload, longest: int) -> AsyncIterator[bytes | Problem]:
    """Every line that is not blank. A problem for one that is too long, and a last one where reading stopped.

    A line that is given has been dealt with when the next is asked for.
    """
    pending = bytearray()
    skipping = False
    read = given = 0
    async for piece in upload.pieces():
        read += len(piece)
        # What is pending has no end of a line in it: to look through it again with every piece would take for ever.
        *ended, rest = piece.split(b"\n")
        for part in ended:
            pending += part
            if not skipping and pending.strip():
                given += 1
                yield bytes(pending) if len(pending) <= longest else body_too_large(longest)
            upload.is_small_again()
            pending.clear()
            skipping = False
        pending += rest
        if len(pending) > longest and not skipping:
            given += 1
            yield body_too_large(longest)
            skipping = True
        if skipping:
            pending.clear()
            upload.is_small_again()
        elif len(pending) > INLINE_BYTES:
            await upload.is_large_in_between()
        if read > _MOST_BYTES or given > _MOST_LINES:
            await discard(upload)
            yield _unread()
            return
    if pending.strip() and not skipping:
        yield bytes(pending)


def _unread() -> Problem:
    limits = f"a request may have {_MOST_LINES} lines and {_MOST_BYTES} bytes"
    return Problem(413, f"Nothing from this line on was read: {limits}.", code="request_too_large")
