"""The messages the services exchange. Nothing else crosses between them but the job log (`shared.job_log`)."""

from shared.contracts.base import JsonObject, WireModel
from shared.contracts.dead_letter import DeadLetter, DeadLetterReason
from shared.contracts.job import Door, Interruption, Job, Lane
from shared.contracts.result import AttemptSummary, JobEnded, JobError, JobStatus
from shared.contracts.submission import BatchLine
from shared.contracts.usage import AttemptFinished, AttemptStatus, TokenUsage, UsageSource

__all__ = [
    "AttemptFinished",
    "AttemptStatus",
    "AttemptSummary",
    "BatchLine",
    "DeadLetter",
    "DeadLetterReason",
    "Door",
    "Interruption",
    "Job",
    "JobEnded",
    "JobError",
    "JobStatus",
    "JsonObject",
    "Lane",
    "TokenUsage",
    "UsageSource",
    "WireModel",
]
