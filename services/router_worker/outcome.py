"""What is said of an attempt and of a job when they have ended? Pure: facts in, contracts out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import AwareDatetime

from services.router_worker.failures import Failure, FailureKind
from services.router_worker.routing.plan import Candidate
from shared.contracts import (
    AttemptFinished,
    AttemptRole,
    AttemptStatus,
    AttemptSummary,
    Job,
    JobEnded,
    JobError,
    JobStatus,
    JsonObject,
    PlanEntry,
    PlanVerdict,
    TokenUsage,
    Unit,
    UsageSource,
    WireModel,
)
from shared.ids import attempt_id
from shared.job_log import EventType

__all__ = [
    "AttemptBegun",
    "AttemptFacts",
    "Outcome",
    "abandoned",
    "attempt_finished",
    "begin_attempt",
    "job_ended",
    "job_error",
    "partial_usage",
    "terminal_event",
]


class AttemptBegun(WireModel):
    """Noted in the claim before the provider is called: whoever finds the job orphaned can charge the attempt."""

    attempt: int
    role: AttemptRole | None = None
    epoch: int
    provider: str
    provider_key: str | None = None
    deployment: str
    upstream_model: str
    region: str | None = None
    started_at: AwareDatetime
    plan: tuple[PlanEntry, ...] | None = None
    """As it stands with this call: `GET /v1/jobs/{id}` shows it while the job runs."""


class Outcome(WireModel):
    """What the claim keeps of an ended job, so that its messages can be repeated after a crash."""

    ended: JobEnded
    attempts: tuple[AttemptFinished, ...]


@dataclass(frozen=True, slots=True)
class AttemptFacts:
    """How one attempt went."""

    begun: AttemptBegun
    status: AttemptStatus
    usage: TokenUsage
    usage_source: UsageSource
    ended_at: datetime
    first_token_at: datetime | None = None
    model_served: str | None = None
    finish_reason: str | None = None
    failure: FailureKind | None = None
    provider_cost_nanodollars: int | None = None
    service_tier: str | None = None
    units: Mapping[Unit, int] | None = None


def begin_attempt(
    candidate: Candidate,
    number: int,
    epoch: int,
    now: datetime,
    before: AttemptFinished | None = None,
    plan: tuple[PlanEntry, ...] | None = None,
    role: AttemptRole | None = None,
    provider_key: str | None = None,
) -> AttemptBegun:
    """`before` is the job's last call, whoever made it; the role follows from it where nobody says otherwise."""
    return AttemptBegun(
        attempt=number,
        role=role or _role(candidate, before),
        epoch=epoch,
        provider=candidate.provider,
        provider_key=provider_key,
        deployment=candidate.name,
        upstream_model=candidate.model,
        region=candidate.region,
        started_at=now,
        plan=plan,
    )


def _role(candidate: Candidate, before: AttemptFinished | None) -> AttemptRole:
    if before is None:
        return AttemptRole.FIRST
    return AttemptRole.RETRY if before.deployment == candidate.name else AttemptRole.FAILOVER


def attempt_finished(job: Job, facts: AttemptFacts) -> AttemptFinished:
    begun = facts.begun
    return AttemptFinished(
        attempt_id=attempt_id(job.id, begun.attempt),
        job_id=job.id,
        attempt=begun.attempt,
        role=begun.role,
        epoch=begun.epoch,
        tenant=job.tenant,
        team=job.team,
        caller=job.caller,
        user=job.user,
        feature=job.feature,
        tags=job.tags,
        lane=job.lane,
        model_asked=job.model,
        model_served=facts.model_served,
        provider=begun.provider,
        provider_key=begun.provider_key,
        deployment=begun.deployment,
        upstream_model=begun.upstream_model,
        region=begun.region,
        service_tier=facts.service_tier,
        status=facts.status,
        usage=facts.usage,
        usage_source=facts.usage_source,
        units={unit.value: count for unit, count in facts.units.items()} if facts.units else None,
        provider_cost_nanodollars=facts.provider_cost_nanodollars,
        finish_reason=facts.finish_reason,
        error_kind=facts.failure,
        accepted_at=job.accepted_at,
        started_at=begun.started_at,
        first_token_at=facts.first_token_at,
        ended_at=facts.ended_at,
    )


def partial_usage(job: Job, output_chunks: int) -> TokenUsage:
    """What was surely served by a call that was cut: its input once any output came, and at least a token per chunk."""
    return TokenUsage(uncached_input=job.input_tokens, output=output_chunks) if output_chunks else TokenUsage()


def abandoned(job: Job, begun: AttemptBegun, output_chunks: int, now: datetime) -> AttemptFinished:
    """The attempt of a worker that died, charged by whoever found the job."""
    return attempt_finished(
        job,
        AttemptFacts(
            begun=begun,
            status=AttemptStatus.ABANDONED,
            usage=partial_usage(job, output_chunks),
            usage_source=UsageSource.PARTIAL,
            ended_at=now,
        ),
    )


def job_ended(
    job: Job,
    *,
    status: JobStatus,
    epoch: int,
    attempts: Sequence[AttemptFinished],
    plan: Sequence[PlanEntry],
    response: JsonObject | None,
    error: JobError | None,
    now: datetime,
) -> JobEnded:
    usage = TokenUsage()
    for attempt in attempts:
        usage += attempt.usage
    last = attempts[-1] if attempts else None
    return JobEnded(
        job_id=job.id,
        tenant=job.tenant,
        caller=job.caller,
        custom_id=job.custom_id,
        lane=job.lane,
        feature=job.feature,
        model=job.model,
        model_served=last.model_served if last else None,
        status=status,
        response=response,
        error=error,
        finish_reason=last.finish_reason if last else None,
        usage=usage,
        attempts=tuple(_summary(attempt) for attempt in attempts),
        route=tuple(each.deployment for each in plan if each.verdict != PlanVerdict.SKIPPED),
        plan=tuple(plan),
        epoch=epoch,
        accepted_at=job.accepted_at,
        started_at=attempts[0].started_at if attempts else None,
        ended_at=now,
    )


def terminal_event(status: JobStatus) -> EventType:
    return _TERMINAL[status]


_TERMINAL: Mapping[JobStatus, EventType] = {
    JobStatus.SUCCEEDED: EventType.DONE,
    JobStatus.FAILED: EventType.ERROR,
    JobStatus.CANCELLED: EventType.CANCELLED,
    JobStatus.EXPIRED: EventType.EXPIRED,
}


def _summary(attempt: AttemptFinished) -> AttemptSummary:
    return AttemptSummary(
        attempt=attempt.attempt,
        provider=attempt.provider,
        provider_key=attempt.provider_key,
        deployment=attempt.deployment,
        status=attempt.status,
        error_kind=attempt.error_kind,
        started_at=attempt.started_at,
        ended_at=attempt.ended_at,
    )


def job_error(failure: Failure) -> JobError:
    """A failure as an OpenAI client reads it. The provider's own words are kept where the caller can act on them."""
    status, kind, code = _ERRORS[failure.kind]
    theirs = failure.kind in _CALLERS_OWN
    return JobError(
        status_code=failure.status if theirs and failure.status else status,
        message=failure.message,
        type=failure.type if theirs and failure.type else kind,
        code=failure.code if theirs and failure.code else code,
        param=failure.param if theirs else None,
    )


_CALLERS_OWN = frozenset(
    {
        FailureKind.BAD_REQUEST,
        FailureKind.UNSUPPORTED,
        FailureKind.CONTEXT_TOO_LONG,
        FailureKind.CONTENT_FILTER,
        FailureKind.TOO_LARGE,
    }
)

_ERRORS: Mapping[FailureKind, tuple[int, str, str]] = {
    FailureKind.BAD_REQUEST: (400, "invalid_request_error", "bad_request"),
    FailureKind.UNSUPPORTED: (400, "invalid_request_error", "unsupported_parameter"),
    FailureKind.CONTEXT_TOO_LONG: (400, "invalid_request_error", "context_length_exceeded"),
    FailureKind.CONTENT_FILTER: (400, "invalid_request_error", "content_filter"),
    FailureKind.FORBIDDEN: (403, "permission_error", "route_forbidden"),
    FailureKind.TOO_LARGE: (413, "invalid_request_error", "request_too_large"),
    FailureKind.RATE_LIMITED: (429, "rate_limit_error", "rate_limit_exceeded"),
    FailureKind.QUOTA_EXHAUSTED: (502, "server_error", "provider_quota_exhausted"),
    FailureKind.OVERLOADED: (503, "server_error", "provider_overloaded"),
    FailureKind.SERVER_ERROR: (502, "server_error", "provider_error"),
    FailureKind.CONFLICT: (502, "server_error", "provider_conflict"),
    FailureKind.REQUEST_TIMEOUT: (504, "server_error", "provider_timeout"),
    FailureKind.CONNECT: (502, "server_error", "provider_unreachable"),
    FailureKind.TLS: (502, "server_error", "provider_unreachable"),
    FailureKind.CONNECT_TIMEOUT: (504, "server_error", "provider_timeout"),
    FailureKind.FIRST_TOKEN_TIMEOUT: (504, "server_error", "provider_timeout"),
    FailureKind.STALL: (504, "server_error", "provider_stalled"),
    FailureKind.TOO_SLOW: (504, "server_error", "provider_stalled"),
    FailureKind.TOTAL_TIMEOUT: (504, "server_error", "provider_timeout"),
    FailureKind.CUT: (502, "server_error", "stream_interrupted"),
    FailureKind.REDIRECTED: (502, "server_error", "provider_unreachable"),
    FailureKind.MALFORMED: (502, "server_error", "provider_malformed"),
    FailureKind.EMPTY: (502, "server_error", "provider_empty_answer"),
    FailureKind.IN_STREAM_ERROR: (502, "server_error", "provider_error"),
    FailureKind.AUTH: (502, "server_error", "provider_auth"),
    FailureKind.PERMISSION: (502, "server_error", "provider_auth"),
    FailureKind.MODEL_NOT_FOUND: (502, "server_error", "provider_model_not_found"),
    FailureKind.BODY_LOST: (500, "server_error", "request_body_lost"),
    FailureKind.DEADLINE: (504, "server_error", "deadline_exceeded"),
    FailureKind.UNKNOWN: (502, "server_error", "provider_error"),
}

if _missing := set(FailureKind) - _ERRORS.keys():
    raise AssertionError(f"failures without an error for the caller: {_missing}")
