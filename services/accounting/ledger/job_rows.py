"""Which column of `jobs` is made of what? One tuple per message: what was asked, and how it ended."""

from operator import attrgetter
from typing import Final

from pydantic import TypeAdapter
from pydantic_core import to_json

from shared.contracts import AttemptSummary, Job, JobEnded, JsonObject, PlanEntry

__all__ = ["ACCEPTED", "ENDED", "QUEUED", "accepted_row", "ended_row"]

QUEUED: Final = "queued"

_NAMED: Final = {
    "tenant": "tenant",
    "caller": "caller",
    "custom_id": "custom_id",
    "lane": "lane",
    "feature": "feature",
    "model_asked": "model",
}
"""What both messages say, whichever comes first."""

_ASKED: Final = {
    "job_id": "id",
    **_NAMED,
    "door": "door",
    "endpoint": "endpoint",
    "end_user": "user",
    "streamed": "streamed",
    "on_interrupt": "on_interrupt",
    "input_tokens": "input_tokens",
}
_ANSWERED: Final = {
    "job_id": "job_id",
    **_NAMED,
    "status": "status",
    "model_served": "model_served",
    "finish_reason": "finish_reason",
    "uncached_input_tokens": "usage.uncached_input",
    "cache_write_tokens": "usage.cache_write",
    "cache_read_tokens": "usage.cache_read",
    "output_tokens": "usage.output",
    "reasoning_tokens": "usage.reasoning",
    "epoch": "epoch",
}

ACCEPTED: Final = (*_ASKED, "status", "accepted_at", "deadline", "tags", "reserved", "request")
ENDED: Final = (*_ANSWERED, "accepted_at", "started_at", "ended_at", "error", "attempts", "route", "plan", "response")

_asked = attrgetter(*_ASKED.values())
_answered = attrgetter(*_ANSWERED.values())

_attempts: TypeAdapter[tuple[AttemptSummary, ...]] = TypeAdapter(tuple[AttemptSummary, ...])
_plan: TypeAdapter[tuple[PlanEntry, ...]] = TypeAdapter(tuple[PlanEntry, ...])


def accepted_row(job: Job, *, content: JsonObject | None) -> tuple[object, ...]:
    return (
        *_asked(job),
        QUEUED,
        job.accepted_at.timestamp(),
        job.deadline.timestamp(),
        _json(job.tags),
        job.reserved.model_dump_json() if job.reserved else None,
        _json(content),
    )


def ended_row(ended: JobEnded, *, content: JsonObject | None) -> tuple[object, ...]:
    return (
        *_answered(ended),
        ended.accepted_at.timestamp(),
        ended.started_at.timestamp() if ended.started_at else None,
        ended.ended_at.timestamp(),
        ended.error.model_dump_json() if ended.error else None,
        _attempts.dump_json(ended.attempts).decode(),
        _json(ended.route),
        _plan.dump_json(ended.plan).decode() if ended.plan is not None else None,
        _json(content),
    )


def _json(value: object) -> str | None:
    return None if value is None else to_json(value, inf_nan_mode="null").decode()
