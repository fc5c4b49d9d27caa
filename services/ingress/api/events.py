"""`GET /v1/jobs/{id}/events`: a job's log as server-sent events, from any place in it, at any replica, at any time."""

from typing import Annotated

import structlog
from fastapi import FastAPI, Query, Request
from starlette.responses import Response

from services.ingress.api.departure import unless_stopped, until_departure
from services.ingress.api.documents import EVENTS
from services.ingress.api.doors import Doors
from services.ingress.api.identity import identify
from services.ingress.api.jobs import JobIdInPath, known_job
from services.ingress.api.parameters import EVENT_CURSOR
from services.ingress.api.problems import ProblemError, bad_cursor
from services.ingress.api.reply import JOB_ID, Exchange, Reply
from services.ingress.api.sse import SSE_HEADERS, EventStream, StalledReaderError, event_frame
from services.ingress.ports import JobRecord
from services.ingress.tail import Tail, stored_end
from shared.job_log import START, Cursor, parse_cursor
from shared.telemetry import bound
from shared.telemetry.metrics import OPEN_STREAMS, STREAM_EVENTS

__all__ = ["event_routes"]

log = structlog.get_logger()


def event_routes(app: FastAPI, doors: Doors) -> None:
    @app.get("/v1/jobs/{job_id}/events", **EVENTS)
    async def follow_job(
        request: Request,
        job_id: JobIdInPath,
        after: Annotated[
            str | None, Query(description="The `id` of the last event seen.", json_schema_extra=EVENT_CURSOR)
        ] = None,
    ) -> Response:
        caller = await identify(request.headers, doors.callers)
        cursor = _cursor(request.headers.get("last-event-id") or after)
        record = await known_job(doors, caller.tenant, job_id)
        if record.ended is not None and record.end is None:
            record = await doors.tails.settled(caller.tenant, record.id) or record
        headers: dict[str, str] = {JOB_ID: record.id}
        if record.ended is None or (record.end is not None and cursor < record.end):
            return EventsReply(doors, record, cursor)
        end = stored_end(record.ended)
        if record.end is not None or cursor >= end.cursor:
            # 204 tells an EventSource not to come again.
            return Response(status_code=204, headers=headers)
        return Response(event_frame(end), headers=headers | dict(SSE_HEADERS))


def _cursor(text: str | None) -> Cursor:
    """Raises ProblemError (400)."""
    if not text:
        return START
    cursor = parse_cursor(text.strip())
    if cursor is None:
        raise ProblemError(bad_cursor(text))
    return cursor


class EventsReply(Reply):
    def __init__(self, doors: Doors, record: JobRecord, after: Cursor) -> None:
        super().__init__()
        self._doors = doors
        self._record = record
        self._after = after

    async def answer(self, exchange: Exchange) -> None:
        record, doors = self._record, self._doors
        streams = doors.instruments.gauge(OPEN_STREAMS)
        with (
            bound(job_id=record.id),
            EventStream(exchange, {JOB_ID: record.id}, write_seconds=doors.patience.write) as stream,
        ):
            async with doors.tails.follow(record.tenant, record.id, self._after) as tail:
                with streams.track_inprogress():
                    try:
                        # A replica that stops lets its readers go at once: they go on at another one.
                        await unless_stopped(
                            self._tell(tail, stream), until_departure(exchange.receive), doors.stopping.wait()
                        )
                        if stream.opened:
                            await stream.close()
                    except StalledReaderError:
                        log.info("reader_stalled")

    async def _tell(self, tail: Tail, stream: EventStream) -> None:
        """Until the terminal event, or until the job is long overdue: then the reader may come again."""
        events = self._doors.instruments.counter(STREAM_EVENTS).labels("events")
        await stream.ping()
        while not tail.over:
            entries = await tail.next(self._doors.patience.keepalive)
            if entries:
                await stream.write(b"".join(map(event_frame, entries)))
                events.inc(len(entries))
            elif not tail.over:
                if self._is_overdue():
                    return
                await stream.ping()

    def _is_overdue(self) -> bool:
        deadline = self._record.deadline
        if deadline is None:
            return False
        return (self._doors.clock() - deadline).total_seconds() > self._doors.patience.grace
