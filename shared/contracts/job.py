"""A job as ingress admitted it: `sluice.jobs.<lane>.v1`, keyed by job id. A worker needs nothing else to run it."""

from enum import StrEnum
from typing import Literal

from pydantic import AwareDatetime, Field, NonNegativeInt

from shared.contracts.base import JsonObject, WireModel
from shared.contracts.blob import BlobRef
from shared.ids import JobId

__all__ = ["Door", "Endpoint", "Interruption", "Job", "Lane", "Reserved"]


class Lane(StrEnum):
    INTERACTIVE = "interactive"
    BATCH = "batch"


class Door(StrEnum):
    """How the job came in."""

    CHAT = "chat"
    """OpenAI's own endpoints, at which whoever asks waits for the answer."""
    JOBS = "jobs"
    TOPIC = "topic"


class Endpoint(StrEnum):
    """Which of OpenAI's endpoints the request is for."""

    CHAT = "/v1/chat/completions"
    EMBEDDINGS = "/v1/embeddings"


class Interruption(StrEnum):
    """What happens when an attempt breaks after its first output token was shown."""

    RESTART = "restart"
    """A new attempt from the beginning; readers get a `restart` event and drop what they have."""
    FAIL = "fail"
    CONTINUE = "continue"
    """A new attempt goes on behind the text shown so far where the deployment supports it; else `restart`."""


class Reserved(WireModel):
    """Money that a job may not go beyond unless nobody could know."""

    nanodollars: NonNegativeInt
    windows: tuple[str, ...]
    """Of its tenant's budgets: in each of them so much is held until all that the job cost is in the ledger."""


class Job(WireModel):
    schema_version: Literal[1] = 1
    id: JobId
    tenant: str
    team: str | None = None
    """Of the tenant; that of the key."""
    caller: str
    """The id of the API key, unique within its tenant."""
    door: Door
    lane: Lane
    endpoint: Endpoint = Endpoint.CHAT
    model: str
    body: JsonObject
    """The request as the caller sent it, unknown fields included; empty where it was left in the blob store."""
    body_blob: BlobRef | None = None
    """Where the request is when it is too large for a record."""
    streamed: bool
    """Whether deltas go into the job log. The terminal event, with the whole result, always does."""
    on_interrupt: Interruption
    custom_id: str | None = None
    user: str | None = None
    feature: str | None = None
    tags: dict[str, str] = Field(default_factory=dict)
    labels: dict[str, str] | None = None
    """What the caller says for the rules of routing, by `x-sluice-route`."""
    input_tokens: NonNegativeInt
    accepted_at: AwareDatetime
    deadline: AwareDatetime
    not_before: AwareDatetime | None = None
    """When it may begin: scheduled by the caller, or put off until a provider can take it."""
    paced: Literal[True] | None = None
    """Set when it holds something of the limits of its key, team, tenant or model: its end gives that back."""
    reserved: Reserved | None = None
    """What is held of its tenant's budgets for it."""
    deferral: NonNegativeInt | None = None
    """The epoch that put it off and wrote this record; an older record of the job means nothing any more."""
