"""What does a usage event say? `AttemptFinished` once more, for the one place where speed is what counts.

To make a pydantic model of each event takes twice as long as everything else that happens to it here. So msgspec reads
it into a structure, as the contract says. A test holds this to the contract, field by field.
"""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from shared.contracts import AttemptRole, AttemptStatus, Lane, UsageSource

__all__ = ["AttemptFields", "Moment", "TokenFields", "Tokens"]

Tokens = Annotated[int, Meta(ge=0)]
Moment = Annotated[datetime, Meta(tz=True)]


class TokenFields(Struct, frozen=True, kw_only=True, gc=False):
    uncached_input: Tokens = 0
    cache_write: Tokens = 0
    cache_read: Tokens = 0
    output: Tokens = 0
    reasoning: Tokens = 0


class AttemptFields(Struct, frozen=True, kw_only=True, gc=False):
    schema_version: Literal[1] = 1
    attempt_id: str
    job_id: str
    attempt: int
    role: AttemptRole | None = None
    epoch: int
    tenant: str
    team: str | None = None
    caller: str
    user: str | None = None
    feature: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    lane: Lane
    model_asked: str
    model_served: str | None = None
    provider: str
    provider_key: str | None = None
    deployment: str
    upstream_model: str
    region: str | None = None
    service_tier: str | None = None
    status: AttemptStatus
    usage: TokenFields
    usage_source: UsageSource
    units: dict[str, Tokens] | None = None
    provider_cost_nanodollars: int | None = None
    finish_reason: str | None = None
    error_kind: str | None = None
    accepted_at: Moment
    started_at: Moment
    first_token_at: Moment | None = None
    ended_at: Moment
