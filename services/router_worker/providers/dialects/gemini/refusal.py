"""What does an error of Google mean? Its status and details say most: ai.google.dev/gemini-api/docs/…/api-errors."""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Final

import orjson
from pydantic import JsonValue

from services.router_worker.failures import Failure, FailureKind
from services.router_worker.providers.refusals import fields_of, kind_of_status, refusal, retry_after, text_in
from shared.contracts import JsonObject

__all__ = ["failure_in_body", "failure_of"]

_BY_STATUS: Final[Mapping[str, FailureKind]] = {
    "ABORTED": FailureKind.CONFLICT,
    "CANCELLED": FailureKind.SERVER_ERROR,
    "DEADLINE_EXCEEDED": FailureKind.REQUEST_TIMEOUT,
    "FAILED_PRECONDITION": FailureKind.PERMISSION,
    "INTERNAL": FailureKind.SERVER_ERROR,
    "INVALID_ARGUMENT": FailureKind.BAD_REQUEST,
    "NOT_FOUND": FailureKind.MODEL_NOT_FOUND,
    "OUT_OF_RANGE": FailureKind.BAD_REQUEST,
    "PERMISSION_DENIED": FailureKind.PERMISSION,
    "RESOURCE_EXHAUSTED": FailureKind.RATE_LIMITED,
    "UNAUTHENTICATED": FailureKind.AUTH,
    "UNAVAILABLE": FailureKind.OVERLOADED,
}
"""The names of google.rpc.Code. `FAILED_PRECONDITION` is a project without billing where no free tier is offered."""

_KEY_REASONS: Final = frozenset({"API_KEY_INVALID", "API_KEY_EXPIRED"})
"""They come with 400, as if the request were wrong."""
_CREDIT_WORDS: Final = re.compile(r"(prepa\w+|credits?) .{0,40}depleted", re.IGNORECASE)
_SIZE_WORDS: Final = re.compile(r"payload size exceeds", re.IGNORECASE)
_SIGNATURE_WORDS: Final = re.compile(r"(invalid|corrupted) thought.?signature", re.IGNORECASE)
_SECONDS: Final = re.compile(r"(\d+(?:\.\d+)?)s")
_LONGEST_WAIT_SECONDS: Final = 366 * 86_400.0


def failure_of(status: int, headers: Mapping[str, str], body: bytes) -> Failure:
    error = _error_in(body)
    wait = _retry_delay(error) or retry_after(headers)
    return refusal(_kind(error, status), error, status=status, wait=wait)


def failure_in_body(error: JsonValue) -> Failure:
    """For an error that came under status 200."""
    fields = fields_of(error)
    code = fields.get("code")
    status = code if isinstance(code, int) and 400 <= code <= 599 else None
    return refusal(_kind(fields, status), fields, status=status, wait=_retry_delay(fields))


def _kind(error: JsonObject, status: int | None) -> FailureKind:
    by_number = FailureKind.IN_STREAM_ERROR if status is None else kind_of_status(status)
    kind = _BY_STATUS.get(text_in(error, "status") or "", by_number)
    said = text_in(error, "message") or ""
    match kind:
        case FailureKind.BAD_REQUEST:
            return _kind_of_bad_request(error, said) or (kind if status is None else by_number)
        case FailureKind.RATE_LIMITED if _CREDIT_WORDS.search(said):
            return FailureKind.QUOTA_EXHAUSTED
        case _:
            return kind


def _kind_of_bad_request(error: JsonObject, said: str) -> FailureKind | None:
    if any(detail.get("reason") in _KEY_REASONS for detail in _details(error)):
        return FailureKind.AUTH
    if _SIZE_WORDS.search(said):
        return FailureKind.TOO_LARGE
    if _SIGNATURE_WORDS.search(said):
        # A thought is genuine only where it was thought: elsewhere the conversation may go on.
        return FailureKind.UNSUPPORTED
    return None


def _details(error: JsonObject) -> Iterator[JsonObject]:
    details = error.get("details")
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict):
            yield detail


def _retry_delay(error: JsonObject) -> timedelta | None:
    """`{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"}`."""
    for detail in _details(error):
        found = _SECONDS.fullmatch(str(detail.get("retryDelay")))
        if found:
            return timedelta(seconds=min(float(found[1]), _LONGEST_WAIT_SECONDS))
    return None


def _error_in(body: bytes) -> JsonObject:
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    if isinstance(parsed, list) and parsed:
        parsed = parsed[0]  # the form of a stream that is not `alt=sse`
    return fields_of(parsed.get("error")) if isinstance(parsed, dict) else {}
