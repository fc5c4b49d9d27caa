"""What a provider call tells us, in the order it happens: limits, chunks or one answer, then usage, then one ending.

`Finished` or `Failed` is the last event of every call, and there is exactly one of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple

from services.router_worker.failures import Failure
from shared.contracts import JsonObject, TokenUsage, Unit, UsageSource

__all__ = [
    "Answered",
    "AttemptEvent",
    "Chunk",
    "Failed",
    "Finished",
    "LimitKind",
    "LimitsTold",
    "RateLimit",
    "UsageReported",
]


class LimitKind(StrEnum):
    """What a provider's limit counts."""

    REQUESTS = "requests"
    TOKENS = "tokens"
    """Input and output together."""
    INPUT_TOKENS = "input_tokens"
    OUTPUT_TOKENS = "output_tokens"


@dataclass(frozen=True, slots=True)
class RateLimit:
    """What an answer's headers say of one limit; None where they do not say it."""

    kind: LimitKind
    limit: int | None = None
    remaining: int | None = None
    full_in: timedelta | None = None
    """Until all of it is there again."""


@dataclass(frozen=True, slots=True)
class LimitsTold:
    """The first event of a call whose headers told of limits, a refused one too; most providers tell nothing."""

    limits: tuple[RateLimit, ...]


class Chunk(NamedTuple):
    """One `chat.completion.chunk`. A tuple because there is one per token: it costs a third of a frozen dataclass."""

    data: bytes
    """JSON in OpenAI's form, without line breaks, with the job's own `id` and `created`."""
    text: str
    """The visible output text in it."""
    is_output: bool
    """Real output (text, refusal, tool call, reasoning), not only a role or an ending: the commit point of failover."""
    plain: bool
    """Nothing but text of one choice: several of them in a row may be merged into one."""
    choice: int
    """Whose text it is; the first one's when several are in it."""


@dataclass(frozen=True, slots=True)
class UsageReported:
    """The provider's own count: at most once per call, also when the call was cut after it."""

    usage: TokenUsage
    provider_cost_nanodollars: int | None
    reported: JsonObject
    """The same in OpenAI's form, details included, for the caller."""
    source: UsageSource = UsageSource.PROVIDER
    """Partial, when the provider had only counted the input before its answer broke."""
    units: Mapping[Unit, int] | None = None
    """What it counted that may have a price of its own."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The whole `chat.completion` of a call that was not streamed, with the job's own `id` and `created`."""

    response: JsonObject


@dataclass(frozen=True, slots=True)
class Finished:
    finish_reason: str | None
    """Of the first choice."""
    model_served: str | None
    """As the provider names it."""


@dataclass(frozen=True, slots=True)
class Failed:
    failure: Failure
    evidence: str = ""
    """For the log alone, without secrets: the beginning of what came instead of an answer, or the network's word."""


AttemptEvent = LimitsTold | Chunk | UsageReported | Answered | Finished | Failed
