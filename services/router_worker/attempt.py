"""One provider call as it happens: what it has shown, used and said so far, whenever one has to stop and charge it."""

from dataclasses import dataclass
from datetime import datetime

from services.router_worker.assembly import Assembler
from services.router_worker.events import Answered, AttemptEvent, Chunk, Failed, Finished, LimitsTold, UsageReported
from services.router_worker.failures import Failure
from services.router_worker.outcome import AttemptBegun, AttemptFacts, partial_usage
from shared.contracts import AttemptStatus, Job, TokenUsage, UsageSource

__all__ = ["Attempt"]


@dataclass(slots=True)
class Attempt:
    job: Job
    begun: AttemptBegun
    assembler: Assembler
    """Shared with the attempt before when this one goes on behind its text."""
    first_output_at: datetime | None = None
    output_chunks: int = 0
    failure: Failure | None = None
    evidence: str = ""
    """Of the failure, for the log alone."""
    _usage: UsageReported | None = None
    _finished: Finished | None = None

    def take(self, event: AttemptEvent, now: datetime) -> None:
        self.assembler.add(event)
        match event:
            case Chunk(is_output=True):
                self.output_chunks += 1
                self.first_output_at = self.first_output_at or now
            case Answered():
                self.first_output_at = now
            case UsageReported():
                self._usage = event
            case Finished():
                self._finished = event
            case Failed():
                self.failure, self.evidence = event.failure, event.evidence
            case LimitsTold() | Chunk():
                pass

    @property
    def succeeded(self) -> bool:
        return self._finished is not None

    def close(self, status: AttemptStatus, now: datetime, estimate: TokenUsage | None = None) -> AttemptFacts:
        """`estimate` is what a tokenizer counted, for an answer whose provider counted nothing."""
        usage, source = self._count(estimate)
        return AttemptFacts(
            begun=self.begun,
            status=status,
            usage=usage,
            usage_source=source,
            ended_at=now,
            first_token_at=self.first_output_at,
            model_served=(self._finished.model_served or self.begun.upstream_model) if self._finished else None,
            finish_reason=self._finished.finish_reason if self._finished else None,
            failure=self.failure.kind if self.failure else None,
            provider_cost_nanodollars=self._usage.provider_cost_nanodollars if self._usage else None,
            service_tier=self.assembler.service_tier,
            units=self._usage.units if self._usage else None,
        )

    @property
    def tokens(self) -> int | None:
        """What its provider will have counted; None when it was not heard out."""
        return self._count(None)[0].total if self.succeeded or self.failure is not None else None

    @property
    def needs_estimate(self) -> bool:
        return self.succeeded and self._usage is None

    def _count(self, estimate: TokenUsage | None) -> tuple[TokenUsage, UsageSource]:
        if self._usage is not None:
            return self._usage.usage, self._usage.source
        if estimate is not None:
            return estimate, UsageSource.ESTIMATE
        if self.failure is not None and not self.output_chunks:
            return TokenUsage(), UsageSource.NONE
        return partial_usage(self.job, self.output_chunks), UsageSource.PARTIAL
