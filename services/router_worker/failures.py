"""How a provider call can fail, in words that no provider owns."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

__all__ = ["Failure", "FailureKind", "Unsupported"]


class FailureKind(StrEnum):
    """Sorted by where it arose. What is done about each stands in `resilience/reactions.py`, and nowhere else."""

    CONNECT = "connect"
    """Nobody answered at that address, or they hung up before a connection stood."""
    TLS = "tls"
    CONNECT_TIMEOUT = "connect_timeout"
    FIRST_TOKEN_TIMEOUT = "first_token_timeout"  # noqa: S105
    STALL = "stall"
    """Silence between two tokens."""
    TOO_SLOW = "too_slow"
    """Fewer tokens a second than the configuration puts up with."""
    TOTAL_TIMEOUT = "total_timeout"
    CUT = "cut"
    """The connection ended before the answer did."""
    REDIRECTED = "redirected"
    """The address leads elsewhere, which is never followed: keys and prompts go where the configuration says."""

    RATE_LIMITED = "rate_limited"
    QUOTA_EXHAUSTED = "quota_exhausted"
    """The account has no credit left: waiting does not help."""
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server_error"
    CONFLICT = "conflict"
    REQUEST_TIMEOUT = "request_timeout"
    """The provider's own 408."""

    MALFORMED = "malformed"
    """What came is not the format that was agreed on, or more than anybody may send."""
    EMPTY = "empty"
    """A well-formed answer with nothing in it."""
    IN_STREAM_ERROR = "in_stream_error"
    """An error event, or an error body under status 200, that says no more than that."""

    CONTENT_FILTER = "content_filter"
    CONTEXT_TOO_LONG = "context_too_long"
    TOO_LARGE = "too_large"
    """413: more bytes than this provider takes."""
    BAD_REQUEST = "bad_request"
    UNSUPPORTED = "unsupported"
    """The request asks for something that this provider cannot: it was not called, unless it had to say so itself."""

    FORBIDDEN = "forbidden"
    """The rules of the configuration leave nobody who may serve it: nobody was called."""

    AUTH = "auth"
    PERMISSION = "permission"
    MODEL_NOT_FOUND = "model_not_found"

    BODY_LOST = "body_lost"
    """The request was left in the blob store, which has it not."""
    DEADLINE = "deadline"
    """The job's own time ran out, which is nobody's fault."""
    UNKNOWN = "unknown"


class Cause(StrEnum):
    """Why a job goes on with another model, as the configuration names it."""

    OUTAGE = "outage"
    CONTEXT_TOO_LONG = "context_too_long"
    CONTENT_FILTER = "content_filter"


@dataclass(frozen=True, slots=True)
class Failure:
    """`message`, `code`, `param` and `type` may be shown to the caller: they never hold a secret of ours."""

    kind: FailureKind
    message: str
    status: int | None = None
    retry_after: timedelta | None = None
    code: str | None = None
    param: str | None = None
    type: str | None = None


@dataclass(frozen=True, slots=True)
class Unsupported:
    """Why a provider is not called with a request: it could not be asked for all of it, and nothing is left out."""

    param: str
    """Where in the request it stands: `seed`, `messages[2].content[0]`."""
    reason: str
    """Goes on behind the parameter's name: `is not known to Anthropic`."""

    def __str__(self) -> str:
        return f"'{self.param}' {self.reason}"

    @property
    def failure(self) -> Failure:
        return Failure(FailureKind.UNSUPPORTED, f"{self}.", param=self.param)
