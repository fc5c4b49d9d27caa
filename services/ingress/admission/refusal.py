"""Why a request does not become a job, in words for its sender; what that is in HTTP, `api.problems` says."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from services.ingress.admission.allowance import Allowance

__all__ = ["Reason", "Refused"]


class Reason(StrEnum):
    MALFORMED_JSON = "malformed_json"
    """Not JSON, or not an object."""
    INVALID_VALUE = "invalid_value"
    """A field that Sluice reads holds what it must not."""
    INVALID_TYPE = "invalid_type"
    MISSING_PARAMETER = "missing_required_parameter"
    MODEL_NOT_FOUND = "model_not_found"
    """No such model, or not for this caller: the two are told alike, so that nobody learns names by asking."""
    WRONG_ENDPOINT = "unsupported_endpoint"
    """Embeddings of a chat model, or a chat with one that makes embeddings."""
    LANE_NOT_ALLOWED = "lane_not_allowed"
    DEADLINE_TOO_FAR = "deadline_too_far"
    SCHEDULE_TOO_FAR = "schedule_too_far"
    OUTPUT_TOO_LONG = "max_tokens_too_large"
    CONTEXT_LENGTH_EXCEEDED = "context_length_exceeded"
    TOO_LARGE = "request_too_large"
    KEY_REUSED = "idempotency_key_reused"
    OVERLOADED = "overloaded"
    """Others' jobs stand before it for longer than its deadline allows."""
    OWN_BACKLOG = "own_backlog"
    """The tenant's own jobs do."""
    NO_WORKERS = "no_workers"
    INVALID_SIGNATURE = "invalid_signature"
    """Of a record that must be signed."""
    ABOVE_RATE = "rate_limit_exceeded"
    """More is asked for in a minute, or at once, than the key, its team, its tenant or the model may."""
    LARGER_THAN_RATE = "request_exceeds_rate_limit"
    """By this request alone."""
    INSUFFICIENT_QUOTA = "insufficient_quota"
    """A budget is spent, or held by jobs that run."""
    PRICE_UNKNOWN = "price_unknown"
    """There is a budget, and nobody knows what the request would cost."""


@dataclass(frozen=True, slots=True)
class Refused:
    reason: Reason
    message: str
    param: str | None = None
    """The field of the request, or the header, that is at fault."""
    retry_after: timedelta | None = None
    """When the same request may be accepted; None when it never will."""
    allowance: Allowance | None = None
    """What is left of the limits on the way, where there are any."""
