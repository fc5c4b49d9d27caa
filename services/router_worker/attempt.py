"""One provider call as it happens: what it has shown, used and said so far, whenever one has to stop and charge it."""

from dataclasses import dataclass, field
from datetime import datetime

from services.router_worker.assembly import Assembler
from services.router_worker.events import Answered, AttemptEvent, Chunk, Failed, Finished, UsageReported
from services.router_worker.failures import Failure
from services.router_worker.outcome import AttemptBegun, AttemptFacts, partial_usage
from shared.contracts import AttemptStatus, Job, JsonObject, TokenUsage, UsageSource

__all__ = ["Attempt"]


@dataclass(slots=True)
class Attempt:
    job: Job
    begun: AttemptBegun
    assembler: Assembler
    """Shared with the attempt before when this one goes on behind its text."""
    first_output_at: datetime | None = None
    output_chunks: int = 0
    plain_text: bool = True
    """Whether all output so far is text of one choice: only then can another attempt go on behind it."""
    _usage: UsageReported | None = None
    _answer: JsonObject | None = None
    _finished: Finished | None = field(default=None)
    failure: Failure | None = None

    def take(self, event: AttemptEvent, now: datetime) -> None:
        match event:
            case Chunk():
                self.assembler.add(event)
                if event.is_output:
                    self.output_chunks += 1
                    self.plain_text = self.plain_text and event.plain
                    self.first_output_at = self.first_output_at or now
            case UsageReported():
                self._usage = event
            case Answered():
                self._answer = event.response
                self.first_output_at = now
            case Finished():
                self._finished = event
            case Failed():
                self.failure = event.failure

    @property
    def succeeded(self) -> bool:
        return self._finished is not None

    @property
    def response(self) -> JsonObject | None:
        """The answer in OpenAI's form; as far as it came."""
        if self._answer is not None:
            return self._answer
        return self.assembler.response(self._usage.reported if self._usage else None)

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
            model_served=self._finished.model_served if self._finished else self.assembler.model,
            finish_reason=self._finished.finish_reason if self._finished else None,
            failure=self.failure.kind if self.failure else None,
            provider_cost_nanodollars=self._usage.provider_cost_nanodollars if self._usage else None,
        )

    @property
    def needs_estimate(self) -> bool:
        return self.succeeded and self._usage is None

    def _count(self, estimate: TokenUsage | None) -> tuple[TokenUsage, UsageSource]:
        if self._usage is not None:
            return self._usage.usage, UsageSource.PROVIDER
        if estimate is not None:
            return estimate, UsageSource.ESTIMATE
        if self.failure is not None and not self.output_chunks:
            return TokenUsage(), UsageSource.NONE
        return partial_usage(self.job, self.output_chunks), UsageSource.PARTIAL
