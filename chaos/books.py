"""What Sluice's own books said of one run when all was over."""

from dataclasses import dataclass

from shared.contracts import AttemptStatus, TokenUsage, UsageSource

__all__ = ["Audited", "JobRow", "LedgerRow"]


@dataclass(frozen=True, slots=True)
class LedgerRow:
    attempt_id: str
    job: str
    attempt: int
    epoch: int
    status: AttemptStatus
    usage: TokenUsage
    usage_source: UsageSource
    error_kind: str | None
    ended_at: float
    """As its worker saw it."""
    recorded_at: float


@dataclass(frozen=True, slots=True)
class JobRow:
    job: str
    status: str
    """`queued` as long as it says that the job has not ended."""


@dataclass(frozen=True, slots=True)
class Audited:
    """What `sluice usage audit` said."""

    calls: int = 0
    jobs: int = 0
    waiting: int = 0
    """Usage events that accounting had not been past."""
    differences: tuple[str, ...] = ()
