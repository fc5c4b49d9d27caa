"""What does a usage event say? `AttemptFinished` as plain fields, for the one place where speed is what counts.

To make a model of each event, with its moments parsed, takes twice as long as everything else that happens to it here.
So the fields are validated as the contract says and stay what they are; a moment stays the text that it is on the wire,
which PostgreSQL reads. A test holds this to the contract, field by field.
"""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Final, Literal, NotRequired

from pydantic import ConfigDict, Field, NonNegativeInt
from typing_extensions import TypedDict

from shared.contracts import AttemptRole, AttemptStatus, Lane, UsageSource

__all__ = ["MOMENTS", "AttemptFields", "Instant", "TokenFields", "minute_of"]

Instant = Annotated[
    str,
    Field(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-5][0-9](\.[0-9]{1,6})?(Z|[+-][01][0-9]:[0-5][0-9])$"
    ),
]
"""RFC 3339. Whether there is such a moment, `minute_of` says."""

MOMENTS: Final = ("accepted_at", "started_at", "first_token_at", "ended_at")
_MINUTE: Final = len("2026-11-20T12:00")


class TokenFields(TypedDict):
    __pydantic_config__ = ConfigDict(extra="ignore")  # type: ignore[misc]

    uncached_input: NotRequired[NonNegativeInt]
    cache_write: NotRequired[NonNegativeInt]
    cache_read: NotRequired[NonNegativeInt]
    output: NotRequired[NonNegativeInt]
    reasoning: NotRequired[NonNegativeInt]


class AttemptFields(TypedDict):
    __pydantic_config__ = ConfigDict(extra="ignore")  # type: ignore[misc]

    schema_version: NotRequired[Literal[1]]
    attempt_id: str
    job_id: str
    attempt: int
    role: NotRequired[AttemptRole | None]
    epoch: int
    tenant: str
    team: NotRequired[str | None]
    caller: str
    user: NotRequired[str | None]
    feature: NotRequired[str | None]
    tags: NotRequired[dict[str, str]]
    lane: Lane
    model_asked: str
    model_served: NotRequired[str | None]
    provider: str
    provider_key: NotRequired[str | None]
    deployment: str
    upstream_model: str
    region: NotRequired[str | None]
    service_tier: NotRequired[str | None]
    status: AttemptStatus
    usage: TokenFields
    usage_source: UsageSource
    units: NotRequired[dict[str, NonNegativeInt] | None]
    provider_cost_nanodollars: NotRequired[int | None]
    finish_reason: NotRequired[str | None]
    error_kind: NotRequired[str | None]
    accepted_at: Instant
    started_at: Instant
    first_token_at: NotRequired[Instant | None]
    ended_at: Instant


def minute_of(moment: str) -> datetime:
    """The minute in which an `Instant` lies, or the moment itself. Raises ValueError when there is none such."""
    return _minute_in_utc(moment[:_MINUTE]) if moment[-1] == "Z" else datetime.fromisoformat(moment)


@lru_cache(maxsize=10_000)
def _minute_in_utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
