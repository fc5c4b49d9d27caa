"""What does an error of the provider mean? Its code says most, then its status, then, for lack of both, its words."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

import orjson
from pydantic import JsonValue

from services.router_worker.failures import Failure, FailureKind
from services.router_worker.providers.refusals import fields_of, kind_of_status, refusal, retry_after, text_in
from shared.contracts import JsonObject

__all__ = ["failure_in_body", "failure_of"]

_BY_CODE: Final[Mapping[str, FailureKind]] = {
    "insufficient_quota": FailureKind.QUOTA_EXHAUSTED,
    "billing_hard_limit_reached": FailureKind.QUOTA_EXHAUSTED,
    "billing_not_active": FailureKind.QUOTA_EXHAUSTED,
    "rate_limit_exceeded": FailureKind.RATE_LIMITED,
    "rate_limit_error": FailureKind.RATE_LIMITED,
    "context_length_exceeded": FailureKind.CONTEXT_TOO_LONG,
    "content_filter": FailureKind.CONTENT_FILTER,
    "content_policy_violation": FailureKind.CONTENT_FILTER,
    "moderation_blocked": FailureKind.CONTENT_FILTER,
    "model_not_found": FailureKind.MODEL_NOT_FOUND,
    "deploymentnotfound": FailureKind.MODEL_NOT_FOUND,
    "invalid_api_key": FailureKind.AUTH,
    "authentication_error": FailureKind.AUTH,
    "permission_error": FailureKind.PERMISSION,
    "overloaded": FailureKind.OVERLOADED,
    "overloaded_error": FailureKind.OVERLOADED,
}
"""By `code`, then by `type`, in lower case."""

_BY_VAGUE_CODE: Final[Mapping[str, FailureKind]] = {
    "server_error": FailureKind.SERVER_ERROR,
    "internal_error": FailureKind.SERVER_ERROR,
}
"""Better than nothing in a stream; where there is a status, that says more."""


def failure_of(status: int, headers: Mapping[str, str], body: bytes) -> Failure:
    return _failure(status, _error_in(body), retry_after(headers))


def failure_in_body(error: JsonValue) -> Failure:
    """For an error that came under status 200, in a stream or as the whole body."""
    fields = fields_of(error)
    code = fields.get("code")
    status = code if isinstance(code, int) and 400 <= code <= 599 else None
    return _failure(status, fields, None)


def _failure(status: int | None, error: JsonObject, wait: timedelta | None) -> Failure:
    return refusal(
        _kind(status, error),
        error,
        status=status,
        wait=wait,
        code=text_in(error, "code"),
        type=text_in(error, "type"),
        param=text_in(error, "param"),
    )


def _kind(status: int | None, error: JsonObject) -> FailureKind:
    names = [(text_in(error, name) or "").lower() for name in ("code", "type")]
    for known in (_BY_CODE,) if status else (_BY_CODE, _BY_VAGUE_CODE):
        for name in names:
            if name in known:
                return known[name]
    return FailureKind.IN_STREAM_ERROR if status is None else kind_of_status(status)


def _error_in(body: bytes) -> JsonObject:
    """The error's fields, from OpenAI's envelope, a bare error, FastAPI's `detail` or, having none, a web page."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    if isinstance(parsed, list) and parsed:
        parsed = parsed[0]  # Google's compatible endpoint wraps its error in a list
    if not isinstance(parsed, dict):
        return {}
    return fields_of(_in_words(parsed.get("error") or parsed.get("detail") or parsed.get("message") or parsed))


def _in_words(error: JsonValue) -> JsonValue:
    """FastAPI lists what is wrong with each field, and Mistral puts that list where a message stands elsewhere."""
    match error:
        case {"detail": [*wrong]} | [*wrong]:
            said = [f"{_place(each)}{each.get('msg')}" for each in wrong if isinstance(each, dict)]
            return {"message": "; ".join(said)} if said else {}
        case _:
            return error


def _place(wrong: JsonObject) -> str:
    steps = wrong.get("loc")
    return ".".join(map(str, steps)) + ": " if isinstance(steps, list) else ""
