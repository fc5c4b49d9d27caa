"""A job while it runs here, and how it may end."""

from dataclasses import dataclass, field
from datetime import datetime

from services.router_worker.assembly import Assembler
from services.router_worker.attempt import Attempt
from services.router_worker.ports import JobLog, Place, Taken
from services.router_worker.routing.plan import Plan
from services.router_worker.running import Interrupt
from shared.contracts import AttemptFinished, Job, JobError, JobStatus

__all__ = ["CANCELLED", "DEFECT", "KILLS_ITS_WORKERS", "TOO_DEAR", "UNPAID_IN_TIME", "PutOff", "Run", "Verdict"]


@dataclass(slots=True)
class Run:
    job: Job
    taken: Taken
    plan: Plan
    place: Place
    log: JobLog
    claim: dict[str, bytes]
    """The fields of the claim as they stand, for restoring it should Redis lose it."""
    interrupt: Interrupt
    assembler: Assembler
    traceparent: str | None
    attempts: list[AttemptFinished] = field(default_factory=list)
    """Those that have ended, former workers' included, in order."""
    current: list[Attempt] = field(default_factory=list)
    """Those that run; two, while one is slow to begin."""
    met: dict[str, str] = field(default_factory=dict)
    """What was last found to keep it from a deployment, by the deployment's name."""


@dataclass(frozen=True, slots=True)
class Verdict:
    status: JobStatus
    error: JobError | None = None
    is_record_suspect: bool = False
    """Whether the record itself may be what is wrong: it is kept among the dead letters."""


@dataclass(frozen=True, slots=True)
class PutOff:
    """Nobody can take the job for a while: it is to wait elsewhere."""

    until: datetime


KILLS_ITS_WORKERS = Verdict(
    JobStatus.FAILED,
    JobError(
        status_code=500,
        message="Several workers died while they ran this job; it is not tried again.",
        type="server_error",
        code="worker_crashed",
    ),
    is_record_suspect=True,
)

DEFECT = Verdict(
    JobStatus.FAILED,
    JobError(
        status_code=500,
        message="Sluice failed while it ran this job, several times; it is not tried again.",
        type="server_error",
        code="internal_error",
    ),
)

TOO_DEAR = Verdict(
    JobStatus.FAILED,
    JobError(
        status_code=429,
        message="The answer broke off, and what is left of a budget does not pay for another call.",
        type="insufficient_quota",
        code="insufficient_quota",
    ),
)

UNPAID_IN_TIME = Verdict(
    JobStatus.EXPIRED,
    JobError(
        status_code=504,
        message="The answer broke off, and until the deadline nobody knew whether a budget pays for another call.",
        type="server_error",
        code="deadline_exceeded",
    ),
)

CANCELLED = Verdict(
    JobStatus.CANCELLED,
    JobError(status_code=409, message="The job was cancelled.", type="invalid_request_error", code="job_cancelled"),
)
