"""What the HTTP door gives back, for programs that generate clients. What it takes: `admission.chat_body`."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.contracts import AttemptSummary, Endpoint, JsonObject, PlanEntry

__all__ = [
    "Cost",
    "ErrorBody",
    "ErrorDetail",
    "HealthObject",
    "JobLinks",
    "JobList",
    "JobObject",
    "JobState",
    "LineAnswer",
    "ModelHealthObject",
    "ModelList",
    "ModelObject",
    "UsageObject",
]

JobState = Literal["queued", "running", "succeeded", "failed", "cancelled", "expired"]


class Body(BaseModel):
    model_config = ConfigDict(frozen=True)


class ErrorDetail(Body):
    message: str
    type: str
    param: str | None = None
    code: str | None = None
    """For programs; the message is for people."""


class ErrorBody(Body):
    error: ErrorDetail


class ModelObject(Body):
    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "sluice"
    endpoints: list[Endpoint] = []
    """What it may be asked for; both where nobody knows."""


class ModelList(Body):
    object: Literal["list"] = "list"
    data: list[ModelObject]


class ModelHealthObject(Body):
    id: str
    status: Literal["available", "fallback", "unavailable", "unknown"]
    """`fallback`: only another model would answer. `unavailable`: a job would wait. `unknown`: no worker has told."""
    retry_at: AwareDatetime | None = None
    """When one of its own deployments may be called again."""


class HealthObject(Body):
    object: Literal["health"] = "health"
    data: list[ModelHealthObject]


class PromptDetails(Body):
    cached_tokens: int = 0


class CompletionDetails(Body):
    reasoning_tokens: int = 0


class UsageObject(Body):
    """Summed over all attempts, in OpenAI's terms: cached tokens are a part of the prompt's."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptDetails
    completion_tokens_details: CompletionDetails


class Cost(Body):
    nanodollars: int
    """Billionths of a US dollar, exact."""
    dollars: str
    """The same in US dollars, as a decimal number in text."""


class JobLinks(Body):
    self: str
    events: str
    cancel: str


class JobObject(Body):
    id: str
    object: Literal["job"] = "job"
    status: JobState
    cancel_requested: bool = False
    """Whether somebody asked to cancel it; it may end in another way all the same."""
    model: str
    """As asked for."""
    model_served: str | None = None
    """As the provider named it."""
    lane: str
    custom_id: str | None = None
    created_at: int
    """In seconds since 1970, as are all times."""
    started_at: int | None = None
    ended_at: int | None = None
    not_before: int | None = None
    """When a scheduled job may begin."""
    expires_at: int | None = None
    """Its deadline: a job that has not ended by then expires."""
    attempts_begun: int = 0
    attempts: list[AttemptSummary] = []
    """The provider calls made for it, known once it has ended."""
    route: list[str] = []
    """The deployments that could have served it, in the order planned."""
    plan: list[PlanEntry] = []
    """Why each of them was asked, or not, and why others were left out."""
    usage: UsageObject | None = None
    cost: Cost | None = None
    """Null until every attempt is in the ledger with a price."""
    response: JsonObject | None = None
    """The `chat.completion`; what had arrived of it when the job was cut short."""
    error: ErrorDetail | None = None
    links: JobLinks


class JobList(Body):
    object: Literal["list"] = "list"
    data: list[JobObject]
    first_id: str | None = None
    last_id: str | None = None
    """Pass it as `after` to get the next page."""
    has_more: bool


class LineAnswer(Body):
    """What became of one line of a JSONL body: an id or an error."""

    line: int = Field(ge=1)
    custom_id: str | None = None
    id: str | None = None
    status: JobState | Literal["refused"]
    error: ErrorDetail | None = None
