"""A job as `GET /v1/jobs/{id}` shows it. Pure."""

from collections.abc import Sequence
from datetime import datetime

from services.ingress.api.problems import Problem
from services.ingress.api.schemas import (
    CompletionDetails,
    Cost,
    ErrorDetail,
    JobLinks,
    JobObject,
    JobState,
    PromptDetails,
    UsageObject,
)
from services.ingress.ports import JobRecord
from services.ingress.reception import Fresh, Known, Received
from shared.contracts import Job, JobEnded, PlanEntry, PlanVerdict, TokenUsage
from shared.ids import JobId
from shared.money import Nanodollars, dollars

__all__ = ["detail", "job_object", "received_object"]


def received_object(received: Received) -> JobObject:
    match received:
        case Fresh(job):
            return _queued_object(job)
        case Known(record):
            return job_object(record, record.cost)


def _queued_object(job: Job) -> JobObject:
    """A job that was accepted a moment ago."""
    return JobObject(
        id=job.id,
        status="queued",
        model=job.model,
        lane=job.lane,
        custom_id=job.custom_id,
        created_at=_seconds(job.accepted_at),
        not_before=_seconds(job.not_before) if job.not_before else None,
        expires_at=_seconds(job.deadline),
        links=_links(job.id),
    )


def job_object(record: JobRecord, cost: Nanodollars | None) -> JobObject:
    ended = record.ended
    return JobObject(
        id=record.id,
        status=_state(record),
        cancel_requested=record.cancel_requested,
        model=record.model,
        model_served=ended.model_served if ended else None,
        lane=record.lane,
        custom_id=record.custom_id,
        created_at=_seconds(record.accepted_at),
        started_at=_seconds(ended.started_at) if ended and ended.started_at else None,
        ended_at=_seconds(ended.ended_at) if ended else None,
        not_before=_seconds(record.not_before) if record.not_before else None,
        expires_at=_seconds(record.deadline) if record.deadline else None,
        attempts_begun=max(record.attempts_begun, len(ended.attempts) if ended else 0),
        attempts=list(ended.attempts) if ended else [],
        route=list(ended.route) if ended else _route(record.plan),
        plan=list(ended.plan or ()) if ended else list(record.plan),
        usage=_usage(ended.usage) if ended else None,
        cost=None if cost is None else Cost(nanodollars=cost, dollars=f"{dollars(cost):f}"),
        response=ended.response if ended else None,
        error=_error(ended) if ended else None,
        links=_links(record.id),
    )


def detail(problem: Problem) -> ErrorDetail:
    return ErrorDetail(message=problem.message, type=problem.type, param=problem.param, code=problem.code)


def _route(plan: Sequence[PlanEntry]) -> list[str]:
    return [each.deployment for each in plan if each.verdict != PlanVerdict.SKIPPED]


def _state(record: JobRecord) -> JobState:
    return record.ended.status.value if record.ended else record.progress.value


def _usage(usage: TokenUsage) -> UsageObject:
    return UsageObject(
        prompt_tokens=usage.input,
        completion_tokens=usage.output,
        total_tokens=usage.total,
        prompt_tokens_details=PromptDetails(cached_tokens=usage.cache_read),
        completion_tokens_details=CompletionDetails(reasoning_tokens=usage.reasoning),
    )


def _error(ended: JobEnded) -> ErrorDetail | None:
    error = ended.error
    if error is None:
        return None
    return ErrorDetail(message=error.message, type=error.type, param=error.param, code=error.code)


def _links(job: JobId) -> JobLinks:
    path = f"/v1/jobs/{job}"
    return JobLinks(self=path, events=f"{path}/events", cancel=f"{path}/cancel")


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
