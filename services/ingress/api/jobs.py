"""`/v1/jobs`: submit, look, list, cancel. Following one is in `events`, JSONL in `job_lines`."""

from collections.abc import Sequence
from typing import Annotated, Final

from fastapi import FastAPI, Path, Query, Request
from starlette.responses import Response

from services.ingress.admission import Manner
from services.ingress.api import parameters
from services.ingress.api.body import whole_body
from services.ingress.api.chat_reply import accepted_response
from services.ingress.api.documents import CANCEL_JOB, CREATE_JOBS, GET_JOB, LIST_JOBS
from services.ingress.api.doors import Doors, trace_of, wishes_of
from services.ingress.api.identity import identify
from services.ingress.api.job_lines import LineBatch, is_jsonl
from services.ingress.api.job_view import job_object
from services.ingress.api.problems import ProblemError, bad_parameter, no_such_job
from services.ingress.api.schemas import JobList, JobObject, JobState
from services.ingress.ports import JobRecord, Progress, UnavailableError
from shared.contracts import Door, JobStatus, Lane
from shared.ids import JobId, parse_job_id
from shared.money import Nanodollars

__all__ = ["job_routes", "known_job"]

_SINGLE: Final = Manner(Door.JOBS, Lane.INTERACTIVE, streams_unless_told=True)

JobIdInPath = Annotated[
    str,
    Path(
        alias="job_id", description="As in `Location`: `job_` and 32 hex digits.", json_schema_extra=parameters.JOB_ID
    ),
]


def job_routes(app: FastAPI, doors: Doors) -> None:
    @app.post("/v1/jobs", **CREATE_JOBS)
    async def create_jobs(request: Request) -> Response:
        caller = await identify(request.headers, doors.callers)
        wishes, trace = wishes_of(request.headers), trace_of(request.headers)
        if is_jsonl(request.headers):
            return await LineBatch(doors, caller, wishes, trace).submit(request)
        async with whole_body(request, doors.body_bytes, doors.large) as raw:
            received = await doors.receive(raw, caller, _SINGLE, wishes)
        await doors.reception.queue(received, trace)
        return accepted_response(received, {})

    @app.get("/v1/jobs", **LIST_JOBS)
    async def list_jobs(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
        after: Annotated[
            str | None, Query(description="`last_id` of the page before.", json_schema_extra=parameters.JOB_CURSOR)
        ] = None,
        status: JobState | None = None,
    ) -> JobList:
        caller = await identify(request.headers, doors.callers)
        cursor = parse_job_id(after) if after else None
        if after and cursor is None:
            raise ProblemError(bad_parameter("after", "expected the id of a job"))
        return await _page(doors, caller.tenant, limit, cursor, _wanted(status))

    @app.get("/v1/jobs/{job_id}", **GET_JOB)
    async def get_job(request: Request, job_id: JobIdInPath) -> JobObject:
        caller = await identify(request.headers, doors.callers)
        return await _shown(doors, await known_job(doors, caller.tenant, job_id))

    @app.post("/v1/jobs/{job_id}/cancel", **CANCEL_JOB)
    async def cancel_job(request: Request, job_id: JobIdInPath) -> JobObject:
        caller = await identify(request.headers, doors.callers)
        record = await known_job(doors, caller.tenant, job_id)
        if record.ended is None:
            await doors.job_log.cancel(record.id)
            record = await known_job(doors, caller.tenant, job_id)
        return await _shown(doors, record)


async def known_job(doors: Doors, tenant: str, text: str) -> JobRecord:
    """Raises ProblemError (404) for what is no job of this tenant, and UnavailableError."""
    job = parse_job_id(text)
    record = await doors.tails.look(tenant, job) if job else None
    if record is None:
        raise ProblemError(no_such_job(text))
    return record


async def _shown(doors: Doors, record: JobRecord) -> JobObject:
    return job_object(record, record.cost if record.ended is None else await _cost(doors, record))


async def _cost(doors: Doors, record: JobRecord) -> Nanodollars | None:
    """Only the archive knows it; a job can be shown without it."""
    if record.cost is not None:
        return record.cost
    try:
        archived = await doors.archive.find(record.tenant, record.id)
    except UnavailableError:
        return None
    return archived.cost if archived else None


def _wanted(status: JobState | None) -> JobStatus | Progress | None:
    if status is None:
        return None
    return Progress(status) if status in ("queued", "running") else JobStatus(status)


async def _page(
    doors: Doors, tenant: str, limit: int, after: JobId | None, status: JobStatus | Progress | None
) -> JobList:
    records = await doors.archive.page(tenant, limit=limit + 1, after=after, status=status)
    page = records[:limit]
    shown = await _freshened(doors, page)
    if isinstance(status, Progress):
        shown = [record for record in shown if record.ended is None and record.progress is status]
    return JobList(
        data=[job_object(record, record.cost) for record in shown],
        first_id=page[0].id if page else None,
        last_id=page[-1].id if page else None,
        has_more=len(records) > limit,
    )


async def _freshened(doors: Doors, records: Sequence[JobRecord]) -> list[JobRecord]:
    """The archive does not know which of the unfinished ones run; the log does, when it answers."""
    fresh: list[JobRecord] = []
    answers = True
    for record in records:
        live = None
        if record.ended is None and answers:
            try:
                live = await doors.job_log.look(record.id)
            except UnavailableError:
                answers = False
        fresh.append(live if live is not None and live.ended is None else record)
    return fresh
