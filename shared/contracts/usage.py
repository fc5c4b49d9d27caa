"""One attempt has ended: what it used. `sluice.usage.v1`, keyed by tenant, an event per provider call."""

from enum import StrEnum
from typing import Literal, Self

from pydantic import AwareDatetime, Field, NonNegativeInt

from shared.contracts.base import WireModel
from shared.contracts.job import Lane

__all__ = ["AttemptFinished", "AttemptStatus", "TokenUsage", "UsageSource"]


class TokenUsage(WireModel):
    """Four disjoint buckets; their sum is what the provider counted. `reasoning` is the unseen part of `output`."""

    uncached_input: NonNegativeInt = 0
    cache_write: NonNegativeInt = 0
    cache_read: NonNegativeInt = 0
    output: NonNegativeInt = 0
    reasoning: NonNegativeInt = 0

    @property
    def input(self) -> int:
        return self.uncached_input + self.cache_write + self.cache_read

    @property
    def total(self) -> int:
        return self.input + self.output

    def __add__(self, other: Self) -> "TokenUsage":
        return TokenUsage(
            uncached_input=self.uncached_input + other.uncached_input,
            cache_write=self.cache_write + other.cache_write,
            cache_read=self.cache_read + other.cache_read,
            output=self.output + other.output,
            reasoning=self.reasoning + other.reasoning,
        )


class UsageSource(StrEnum):
    """Who counted."""

    PROVIDER = "provider"
    """The provider's own figure."""
    PARTIAL = "partial"
    """The call was cut; counted from what had arrived, so never more than was served."""
    ESTIMATE = "estimate"
    """The call ended normally but reported nothing; counted with the model's tokenizer."""
    NONE = "none"
    """The provider refused before it worked: nothing was served."""


class AttemptStatus(StrEnum):
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ABANDONED = "abandoned"
    """Its worker died; a later epoch of the job charges it."""


class AttemptFinished(WireModel):
    schema_version: Literal[1] = 1
    attempt_id: str
    job_id: str
    attempt: int
    """Counts the provider calls of the job, from 1."""
    epoch: int
    tenant: str
    caller: str
    user: str | None = None
    feature: str | None = None
    tags: dict[str, str] = Field(default_factory=dict)
    lane: Lane
    model_asked: str
    model_served: str | None = None
    """As the provider named it in its answer."""
    provider: str
    deployment: str
    upstream_model: str
    """The id under which the deployment was asked; prices are looked up by it."""
    region: str | None = None
    status: AttemptStatus
    usage: TokenUsage
    usage_source: UsageSource
    provider_cost_nanodollars: int | None = None
    finish_reason: str | None = None
    error_kind: str | None = None
    accepted_at: AwareDatetime
    started_at: AwareDatetime
    first_token_at: AwareDatetime | None = None
    ended_at: AwareDatetime
