"""What does an error of Anthropic mean? platform.claude.com/docs/en/api/errors."""

import re
from collections.abc import Mapping
from typing import Final

import orjson
from pydantic import JsonValue

from services.router_worker.failures import Failure, FailureKind
from services.router_worker.providers.refusals import fields_of, kind_of_status, refusal, retry_after, text_in
from shared.contracts import JsonObject

__all__ = ["failure_in_body", "failure_of"]

_BY_TYPE: Final[Mapping[str, FailureKind]] = {
    "api_error": FailureKind.SERVER_ERROR,
    "authentication_error": FailureKind.AUTH,
    "billing_error": FailureKind.QUOTA_EXHAUSTED,
    "invalid_request_error": FailureKind.BAD_REQUEST,
    "not_found_error": FailureKind.MODEL_NOT_FOUND,
    "overloaded_error": FailureKind.OVERLOADED,
    "permission_error": FailureKind.PERMISSION,
    "rate_limit_error": FailureKind.RATE_LIMITED,
    "request_too_large": FailureKind.TOO_LARGE,
    "timeout_error": FailureKind.SERVER_ERROR,
}

_CREDIT_WORDS: Final = re.compile(r"credit balance is too low", re.IGNORECASE)
_FILTER_WORDS: Final = re.compile(r"blocked by content filtering", re.IGNORECASE)
"""Both come as an invalid request."""


def failure_of(status: int, headers: Mapping[str, str], body: bytes) -> Failure:
    error = _error_in(body)
    kind = _kind(error, kind_of_status(status))
    return refusal(kind, error, status=status, wait=retry_after(headers), type=text_in(error, "type"))


def failure_in_body(error: JsonValue) -> Failure:
    """For an error event in the middle of a stream."""
    fields = fields_of(error)
    return refusal(_kind(fields, None), fields, type=text_in(fields, "type"))


def _kind(error: JsonObject, by_status: FailureKind | None) -> FailureKind:
    kind = _BY_TYPE.get(text_in(error, "type") or "")
    if kind is FailureKind.BAD_REQUEST:
        said = text_in(error, "message") or ""
        if _CREDIT_WORDS.search(said):
            return FailureKind.QUOTA_EXHAUSTED
        if _FILTER_WORDS.search(said):
            return FailureKind.CONTENT_FILTER
        return by_status or kind  # the type of many; the status says more
    return kind or by_status or FailureKind.IN_STREAM_ERROR


def _error_in(body: bytes) -> JsonObject:
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return fields_of(parsed.get("error")) if isinstance(parsed, dict) else {}
