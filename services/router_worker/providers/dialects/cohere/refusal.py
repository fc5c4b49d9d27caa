"""What does an error of Cohere mean? Its status says most, and then its words: docs.cohere.com/reference/errors."""

import re
from collections.abc import Mapping
from typing import Final

import orjson

from services.router_worker.failures import Failure, FailureKind
from services.router_worker.providers.refusals import kind_of_status, refusal, retry_after, text_in
from shared.contracts import JsonObject

__all__ = ["failure_in_body", "failure_of"]

_BY_STATUS: Final[Mapping[int, FailureKind]] = {
    498: FailureKind.CONTENT_FILTER,
    499: FailureKind.SERVER_ERROR,
    501: FailureKind.UNSUPPORTED,
    504: FailureKind.REQUEST_TIMEOUT,
}
"""498 is an input or output that holds what is on a list; 501 is a model that lacks what was asked for."""

_MONTH_WORDS: Final = re.compile(r"API calls / month", re.IGNORECASE)
"""Of a trial key: waiting a minute does not help."""


def failure_of(status: int, headers: Mapping[str, str], body: bytes) -> Failure:
    error = _error_in(body)
    kind = _BY_STATUS.get(status) or kind_of_status(status)
    if kind is FailureKind.RATE_LIMITED and _MONTH_WORDS.search(text_in(error, "message") or ""):
        kind = FailureKind.QUOTA_EXHAUSTED
    return refusal(kind, error, status=status, wait=retry_after(headers))


def failure_in_body(error: JsonObject) -> Failure:
    """For an error that came under status 200."""
    return refusal(FailureKind.IN_STREAM_ERROR, error)


def _error_in(body: bytes) -> JsonObject:
    """`{"id": "...", "message": "..."}`."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
