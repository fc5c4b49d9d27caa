"""What does an error of the provider mean? Its code says most, then its status, then, for lack of both, its words."""

import re
from collections.abc import Mapping
from datetime import timedelta
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Final

import orjson
from pydantic import JsonValue

from services.router_worker.failures import Failure, FailureKind
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

_BY_STATUS: Final[Mapping[int, FailureKind]] = {
    400: FailureKind.BAD_REQUEST,
    401: FailureKind.AUTH,
    402: FailureKind.QUOTA_EXHAUSTED,
    403: FailureKind.PERMISSION,
    404: FailureKind.MODEL_NOT_FOUND,
    408: FailureKind.REQUEST_TIMEOUT,
    409: FailureKind.CONFLICT,
    413: FailureKind.TOO_LARGE,
    422: FailureKind.BAD_REQUEST,
    429: FailureKind.RATE_LIMITED,
    503: FailureKind.OVERLOADED,
    529: FailureKind.OVERLOADED,
}

_OURS: Final[Mapping[FailureKind, str]] = {
    FailureKind.AUTH: "The provider did not accept the gateway's credentials.",
    FailureKind.PERMISSION: "The provider does not allow the gateway to do this.",
    FailureKind.QUOTA_EXHAUSTED: "The gateway's account at the provider has no credit left.",
}
"""About our account, not about the request: the provider's words, which like to quote keys, are not for the caller."""

_CONTEXT_WORDS = re.compile(r"context (length|window|size)|prompt is too long", re.IGNORECASE)
"""vLLM, llama.cpp and others say it in prose alone."""

_SECRET = re.compile(r"\b(?:sk|pk|rk)-[\w*.-]{6,}|\bslk_\w+|\bBearer\s+\S+", re.IGNORECASE)
_LONGEST_MESSAGE = 2_000
_LONGEST_WAIT_SECONDS = 366 * 86_400.0


def failure_of(status: int, headers: Mapping[str, str], body: bytes) -> Failure:
    return _failure(status, _error_in(body), _retry_after(headers))


def failure_in_body(error: JsonValue) -> Failure:
    """For an error that came under status 200, in a stream or as the whole body."""
    fields = _fields(error)
    code = fields.get("code")
    status = code if isinstance(code, int) and 400 <= code <= 599 else None
    return _failure(status, fields, None)


def _failure(status: int | None, error: JsonObject, retry_after: timedelta | None) -> Failure:
    kind = _kind(status, error)
    if kind in _OURS:
        return Failure(kind, _OURS[kind], status, retry_after)
    said = _text(error, "message")
    return Failure(
        kind=kind,
        message=_fit_to_show(said) if said else f"The provider answered with status {status or 200} and no reason.",
        status=status,
        retry_after=retry_after,
        code=_text(error, "code"),
        param=_text(error, "param"),
        type=_text(error, "type"),
    )


def _kind(status: int | None, error: JsonObject) -> FailureKind:
    names = [(_text(error, name) or "").lower() for name in ("code", "type")]
    for known in (_BY_CODE,) if status else (_BY_CODE, _BY_VAGUE_CODE):
        for name in names:
            if name in known:
                return known[name]
    if status is None:
        return FailureKind.IN_STREAM_ERROR
    kind = _BY_STATUS.get(status, FailureKind.SERVER_ERROR if status >= 500 else FailureKind.UNKNOWN)
    if kind is FailureKind.BAD_REQUEST and _CONTEXT_WORDS.search(_text(error, "message") or ""):
        return FailureKind.CONTEXT_TOO_LONG
    return kind


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
    return _fields(parsed.get("error") or parsed.get("detail") or parsed)


def _fields(error: JsonValue) -> JsonObject:
    if isinstance(error, dict):
        return error
    return {"message": error} if isinstance(error, str) else {}


def _text(error: JsonObject, name: str) -> str | None:
    value = error.get(name)
    return value if isinstance(value, str) and value else None


def _fit_to_show(message: str) -> str:
    return _SECRET.sub("[secret]", message[:_LONGEST_MESSAGE])


def _retry_after(headers: Mapping[str, str]) -> timedelta | None:
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return _bounded(milliseconds / 1000)
    said = headers.get("retry-after")
    seconds = _number(said)
    if seconds is not None:
        return _bounded(seconds)
    return _until(said, headers.get("date"))


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if isfinite(number) else None


def _until(moment: str | None, now: str | None) -> timedelta | None:
    """A date is taken against the answer's own `date`: whose clock is wrong does not matter then."""
    if moment is None or now is None:
        return None
    try:
        return _bounded((parsedate_to_datetime(moment) - parsedate_to_datetime(now)).total_seconds())
    except (ValueError, TypeError):
        return None


def _bounded(seconds: float) -> timedelta:
    return timedelta(seconds=min(max(seconds, 0.0), _LONGEST_WAIT_SECONDS))
