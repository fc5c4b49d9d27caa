"""What do refusals of all families have in common? Statuses, `retry-after`, and words that must not reach a caller."""

import re
from collections.abc import Mapping
from datetime import timedelta
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Final

from pydantic import JsonValue

from services.router_worker.failures import Failure, FailureKind
from shared.contracts import JsonObject

__all__ = ["fields_of", "kind_of_status", "refusal", "retry_after", "text_in"]

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

_CONTEXT_WORDS: Final = re.compile(
    r"context (length|window|size)|(prompt|input) is too long|too many (input )?tokens|input token count", re.IGNORECASE
)
"""Many say it in prose alone."""

_SECRET: Final = re.compile(r"\b(?:sk|pk|rk)-[\w*.-]{6,}|\bslk_\w+|\bAIza[\w-]{6,}|\bBearer\s+\S+", re.IGNORECASE)
_LONGEST_MESSAGE: Final = 2_000
_LONGEST_WAIT_SECONDS: Final = 366 * 86_400.0


def refusal(
    kind: FailureKind,
    error: JsonObject,
    *,
    status: int | None = None,
    wait: timedelta | None = None,
    code: str | None = None,
    type: str | None = None,  # noqa: A002 - as OpenAI names it
    param: str | None = None,
) -> Failure:
    """A failure whose words are the error's `message`, as far as they are the caller's business."""
    if kind in _OURS:
        return Failure(kind, _OURS[kind], status, wait)
    said = text_in(error, "message")
    if kind is FailureKind.BAD_REQUEST and _CONTEXT_WORDS.search(said or ""):
        kind = FailureKind.CONTEXT_TOO_LONG
    return Failure(
        kind=kind,
        message=_fit_to_show(said) if said else f"The provider answered with status {status or 200} and no reason.",
        status=status,
        retry_after=wait,
        code=code,
        param=param,
        type=type,
    )


def kind_of_status(status: int) -> FailureKind:
    return _BY_STATUS.get(status, FailureKind.SERVER_ERROR if status >= 500 else FailureKind.UNKNOWN)


def fields_of(error: JsonValue) -> JsonObject:
    if isinstance(error, dict):
        return error
    return {"message": error} if isinstance(error, str) else {}


def text_in(error: JsonObject, name: str) -> str | None:
    value = error.get(name)
    return value if isinstance(value, str) and value else None


def _fit_to_show(message: str) -> str:
    return _SECRET.sub("[secret]", message[:_LONGEST_MESSAGE])


def retry_after(headers: Mapping[str, str]) -> timedelta | None:
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
