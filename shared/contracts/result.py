"""A job has ended: `sluice.results.v1`, keyed by job id; also the data of the terminal event and of the outcome."""

from enum import StrEnum
from typing import Literal

from pydantic import AwareDatetime

from shared.contracts.base import JsonObject, WireModel
from shared.contracts.blob import BlobRef
from shared.contracts.job import Lane
from shared.contracts.usage import AttemptStatus, TokenUsage
from shared.ids import JobId

__all__ = ["AttemptSummary", "JobEnded", "JobError", "JobStatus", "PlanEntry", "PlanVerdict"]


class JobStatus(StrEnum):
    """How a job ended: exactly one of these."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class JobError(WireModel):
    """An error as an OpenAI client reads it, with the HTTP status it would have had."""

    status_code: int
    message: str
    type: str
    code: str | None = None
    param: str | None = None


class AttemptSummary(WireModel):
    """One line of how the job was routed, for `GET /v1/jobs/{id}`."""

    attempt: int
    provider: str
    provider_key: str | None = None
    """By its name in the configuration, where the provider has several."""
    deployment: str
    status: AttemptStatus
    error_kind: str | None = None
    started_at: AwareDatetime
    ended_at: AwareDatetime


class PlanVerdict(StrEnum):
    ASKED = "asked"
    SPARE = "spare"
    """It could have served the job, and was not needed."""
    SKIPPED = "skipped"
    """It could not have, or must not have."""


class PlanEntry(WireModel):
    """Why one deployment was asked, or not, for `GET /v1/jobs/{id}`."""

    deployment: str
    model: str
    """Whom it was to answer for: the model asked for, or a fallback."""
    verdict: str
    """One of `PlanVerdict`; a reader may meet one it does not know."""
    reason: str


class JobEnded(WireModel):
    schema_version: Literal[1] = 1
    job_id: JobId
    tenant: str
    caller: str
    custom_id: str | None = None
    lane: Lane
    feature: str | None = None
    model: str
    """As asked for."""
    model_served: str | None = None
    status: JobStatus
    response: JsonObject | None = None
    """The `chat.completion` object; what had arrived so far when the job was cut short."""
    response_blob: BlobRef | None = None
    """Where the response is when it is too large for a record."""
    error: JobError | None = None
    finish_reason: str | None = None
    usage: TokenUsage
    """Summed over all attempts."""
    attempts: tuple[AttemptSummary, ...] = ()
    route: tuple[str, ...] = ()
    """The deployments that could have served it, in the order planned."""
    plan: tuple[PlanEntry, ...] | None = None
    """The same with reasons, and those who could not have."""
    epoch: int
    accepted_at: AwareDatetime
    started_at: AwareDatetime | None = None
    ended_at: AwareDatetime
