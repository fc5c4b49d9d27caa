"""What was seen of one run, by each of those who saw it: the submitters, Kafka, the readers, PostgreSQL, the providers.

Nothing here is derived from anything else here. The checks compare; that is their whole worth.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from shared.contracts import (
    AttemptStatus,
    Door,
    Job,
    JobEnded,
    JobStatus,
    JsonObject,
    TokenUsage,
    UsageSource,
)
from shared.money import Nanodollars

__all__ = [
    "ChatReading",
    "Event",
    "Evidence",
    "JobRow",
    "JobStream",
    "Kill",
    "LedgerRow",
    "Reading",
    "RollupKey",
    "RollupRow",
    "ServedCall",
    "Submission",
]


@dataclass(frozen=True, slots=True)
class Submission:
    """What the submitter of one prompt knows."""

    custom_id: str
    door: Door
    job: str | None = None
    """None at the topic: a producer learns nothing but that its record is on the topic."""
    refused: str | None = None
    first_token_seconds: float | None = None
    """From the request to the first token that somebody could read."""


class Event(NamedTuple):
    """A server-sent event of a job's log."""

    id: str
    type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Reading:
    """What one reader got together over all its connections."""

    reader: str
    after: str | None
    """The id behind which it began; None for the beginning."""
    events: tuple[Event, ...]
    connections: int


@dataclass(frozen=True, slots=True)
class JobStream:
    """A job's log, read again from its beginning after everything had ended, and what readers got of it meanwhile."""

    job: str
    log: tuple[Event, ...]
    readings: tuple[Reading, ...]


@dataclass(frozen=True, slots=True)
class ChatReading:
    """What a client of the chat endpoint got."""

    job: str
    chunks: tuple[bytes, ...] = ()
    """The data of each event of a stream, without `[DONE]`."""
    left: bool = False
    """The client hung up in the middle."""
    completed: bool = False
    """The stream ended with `[DONE]`."""
    answer: JsonObject | None = None
    """The body, where the answer came whole."""


@dataclass(frozen=True, slots=True)
class Kill:
    """A worker that got SIGKILL, and what the claims said of it the moment before."""

    worker: str
    pid: int
    jobs: tuple[str, ...]
    """It was running these."""
    attempts: tuple[str, ...]
    """Calls of it that had begun and not ended."""


@dataclass(frozen=True, slots=True)
class JobRow:
    """Of the table `jobs`."""

    job: str
    custom_id: str | None
    status: JobStatus | None
    """None while it says that the job has not ended."""


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """Of the table `usage_ledger`."""

    attempt_id: str
    job: str
    attempt: int
    provider: str
    upstream_model: str
    model: str
    """As the caller asked for it."""
    status: AttemptStatus
    usage: TokenUsage
    usage_source: UsageSource
    cost: Nanodollars | None
    started_at: datetime


class RollupKey(NamedTuple):
    model: str
    provider: str


@dataclass(frozen=True, slots=True)
class RollupRow:
    """Of the table `usage_hourly`, summed over everything but model and provider."""

    attempts: int
    usage: TokenUsage
    cost: Nanodollars


@dataclass(frozen=True, slots=True)
class ServedCall:
    """A call as the provider remembers it."""

    attempt_id: str | None
    """The `x-client-request-id` it came with."""
    provider: str
    fault: str | None
    """What the provider was scripted to do wrong in this call."""
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    first_token_seconds: float | None


@dataclass(frozen=True, slots=True)
class Evidence:
    submissions: tuple[Submission, ...]
    accepted: tuple[Job, ...]
    """Every record of the job topics."""
    endings: tuple[JobEnded, ...]
    """Every record of the results topic, repeated ones too."""
    streams: tuple[JobStream, ...]
    chats: tuple[ChatReading, ...]
    kills: tuple[Kill, ...]
    jobs: tuple[JobRow, ...]
    ledger: tuple[LedgerRow, ...]
    rollup: Mapping[RollupKey, RollupRow]
    served: tuple[ServedCall, ...]
    unfinished_calls: int
    """Calls that a provider is still answering."""

    def ending_by_job(self) -> dict[str, JobEnded]:
        """The first of each; that there is one only is a check of its own."""
        found: dict[str, JobEnded] = {}
        for ending in self.endings:
            found.setdefault(ending.job_id, ending)
        return found
