"""One attempt has ended: what it used. `sluice.usage.v1`, keyed by tenant, an event per provider call."""

from enum import StrEnum
from typing import Literal, Self

from pydantic import AwareDatetime, Field, NonNegativeInt

from shared.contracts.base import WireModel
from shared.contracts.job import Lane

__all__ = ["AttemptFinished", "AttemptRole", "AttemptStatus", "TokenUsage", "Unit", "UsageSource"]


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


class Unit(StrEnum):
    """What is counted beside the four buckets, because it may have a price of its own."""

    CACHE_WRITE_1H = "cache_write_1h"
    """Tokens of `cache_write` that are kept for an hour."""
    INPUT_AUDIO = "input_audio"
    """Tokens of `uncached_input` that were sound."""
    INPUT_IMAGE = "input_image"
    """Tokens of `uncached_input` that were pictures."""
    OUTPUT_AUDIO = "output_audio"
    """Tokens of `output` that were sound."""
    OUTPUT_IMAGE = "output_image"
    """Tokens of `output` that were pictures."""
    WEB_SEARCH = "web_search"
    """Searches that the provider made; they come on top of the tokens."""


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


class AttemptRole(StrEnum):
    """What the call was for."""

    FIRST = "first"
    """The first call of its job."""
    RETRY = "retry"
    """The deployment of the call before was asked again."""
    FAILOVER = "failover"
    """Another deployment was asked than in the call before."""
    HEDGE = "hedge"
    """Made beside a call that was slow to begin."""
    HEDGE_LOSER = "hedge_loser"
    """Of two calls beside each other the one that was not heard: it was stopped when the other began its answer."""


class AttemptFinished(WireModel):
    schema_version: Literal[1] = 1
    attempt_id: str
    job_id: str
    attempt: int
    """Counts the provider calls of the job, from 1."""
    role: AttemptRole | None = None
    epoch: int
    tenant: str
    team: str | None = None
    caller: str
    user: str | None = None
    feature: str | None = None
    tags: dict[str, str] = Field(default_factory=dict)
    lane: Lane
    model_asked: str
    model_served: str | None = None
    """As the provider named it in its answer; as it was asked for where the answer names none."""
    provider: str
    provider_key: str | None = None
    """Which of the provider's keys it was made with, by its name in the configuration; none where there is but one."""
    deployment: str
    upstream_model: str
    """The id under which the deployment was asked; prices are looked up by it."""
    region: str | None = None
    service_tier: str | None = None
    """The class of service in which the provider says it answered, such as `flex`; its price may depend on it."""
    status: AttemptStatus
    usage: TokenUsage
    usage_source: UsageSource
    units: dict[str, NonNegativeInt] | None = None
    """What was counted besides: `web_search`, and of the tokens `cache_write_1h`, `input_audio`, `input_image`,
    `output_audio` and `output_image`, each within its bucket. A reader may meet one it does not know."""
    provider_cost_nanodollars: int | None = None
    finish_reason: str | None = None
    error_kind: str | None = None
    accepted_at: AwareDatetime
    started_at: AwareDatetime
    first_token_at: AwareDatetime | None = None
    ended_at: AwareDatetime
