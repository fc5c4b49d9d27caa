"""The messages the services exchange. Nothing else crosses between them but the job log (`shared.job_log`)."""

from shared.contracts.alert import Alert, AuditAlert, BudgetAlert
from shared.contracts.audit import HOUSE, AuditAction, AuditEntry
from shared.contracts.base import JsonObject, WireModel
from shared.contracts.blob import BlobRef
from shared.contracts.dead_letter import (
    DECISION_HEADER,
    REPLAY_OF_HEADER,
    REPLAYED_HEADER,
    DeadLetter,
    DeadLetterReason,
    Decision,
)
from shared.contracts.job import Door, Endpoint, Interruption, Job, Lane, Reserved
from shared.contracts.result import AttemptSummary, JobEnded, JobError, JobStatus, PlanEntry, PlanVerdict
from shared.contracts.submission import BatchLine
from shared.contracts.usage import AttemptFinished, AttemptRole, AttemptStatus, TokenUsage, Unit, UsageSource

__all__ = [
    "DECISION_HEADER",
    "HOUSE",
    "REPLAYED_HEADER",
    "REPLAY_OF_HEADER",
    "Alert",
    "AttemptFinished",
    "AttemptRole",
    "AttemptStatus",
    "AttemptSummary",
    "AuditAction",
    "AuditAlert",
    "AuditEntry",
    "BatchLine",
    "BlobRef",
    "BudgetAlert",
    "DeadLetter",
    "DeadLetterReason",
    "Decision",
    "Door",
    "Endpoint",
    "Interruption",
    "Job",
    "JobEnded",
    "JobError",
    "JobStatus",
    "JsonObject",
    "Lane",
    "PlanEntry",
    "PlanVerdict",
    "Reserved",
    "TokenUsage",
    "Unit",
    "UsageSource",
    "WireModel",
]
