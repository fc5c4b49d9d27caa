"""What went wrong, as an OpenAI client reads it: the only place with status codes.

Every error that leaves this process over HTTP has the shape `{"error": {"message", "type", "param", "code"}}`, the
framework's own 404, 405, 422 and 500 included. The `code` is for programs, the message for people.
"""

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import orjson
from starlette.responses import Response

from services.ingress.admission import Reason, Refused
from services.ingress.api.ratelimits import ratelimit_headers
from services.ingress.keyring import Turned
from services.ingress.ports import Dependency, UnavailableError
from shared.contracts import JobEnded, JobError, JobStatus

__all__ = [
    "Problem",
    "ProblemError",
    "answer_not_kept",
    "bad_cursor",
    "bad_parameter",
    "body_too_large",
    "internal",
    "interrupted",
    "key_is_revoked",
    "method_not_allowed",
    "name_taken",
    "no_key",
    "no_such_job",
    "no_such_path",
    "no_such_record",
    "of_ended",
    "of_refused",
    "of_unavailable",
    "out_of_time",
    "record_too_large",
    "set_in_file",
    "stopping",
    "too_many_large",
    "too_slow",
    "turned_away",
    "unconfirmed",
    "wrong_key",
]

_INVALID: Final = "invalid_request_error"
_SERVER: Final = "server_error"
_RETRY_SECONDS: Final = 5


@dataclass(frozen=True, slots=True)
class Problem:
    status: int
    message: str
    type: str = _INVALID
    code: str | None = None
    param: str | None = None
    headers: tuple[tuple[str, str], ...] = ()

    def body(self) -> bytes:
        error = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return orjson.dumps({"error": error})

    def response(self, headers: dict[str, str] | None = None) -> Response:
        return Response(
            self.body(), self.status, headers=dict(self.headers) | (headers or {}), media_type="application/json"
        )


class ProblemError(Exception):
    """Ends a request with the problem as its answer."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


_REFUSED: Final[dict[Reason, tuple[int, str]]] = {
    Reason.MALFORMED_JSON: (400, _INVALID),
    Reason.INVALID_VALUE: (400, _INVALID),
    Reason.INVALID_TYPE: (400, _INVALID),
    Reason.MISSING_PARAMETER: (400, _INVALID),
    Reason.MODEL_NOT_FOUND: (404, _INVALID),
    Reason.WRONG_ENDPOINT: (400, _INVALID),
    Reason.LANE_NOT_ALLOWED: (403, "permission_error"),
    Reason.DEADLINE_TOO_FAR: (400, _INVALID),
    Reason.SCHEDULE_TOO_FAR: (400, _INVALID),
    Reason.OUTPUT_TOO_LONG: (400, _INVALID),
    Reason.CONTEXT_LENGTH_EXCEEDED: (400, _INVALID),
    Reason.TOO_LARGE: (413, _INVALID),
    Reason.KEY_REUSED: (422, _INVALID),
    Reason.OVERLOADED: (503, _SERVER),
    Reason.OWN_BACKLOG: (429, "rate_limit_error"),
    Reason.NO_WORKERS: (503, _SERVER),
    Reason.INVALID_SIGNATURE: (401, _INVALID),
    Reason.ABOVE_RATE: (429, "rate_limit_error"),
    Reason.LARGER_THAN_RATE: (413, _INVALID),
    Reason.INSUFFICIENT_QUOTA: (429, "insufficient_quota"),
    Reason.PRICE_UNKNOWN: (403, "permission_error"),
}

if _missing := set(Reason) - _REFUSED.keys():
    raise AssertionError(f"refusals without a status: {_missing}")


def of_refused(refused: Refused) -> Problem:
    status, kind = _REFUSED[refused.reason]
    headers = tuple(ratelimit_headers(refused.allowance).items())
    if refused.retry_after is not None:
        headers += (_retry_after(refused.retry_after.total_seconds()),)
        if refused.reason is Reason.ABOVE_RATE:
            headers += (("retry-after-ms", str(max(1, refused.retry_after // timedelta(milliseconds=1)))),)
    elif refused.reason is Reason.INSUFFICIENT_QUOTA:
        headers += (_NO_RETRY,)
    return Problem(status, refused.message, kind, refused.reason.value, refused.param, headers)


def of_unavailable(error: UnavailableError) -> Problem:
    subject = {
        Dependency.KAFKA: "The queue",
        Dependency.REDIS: "The job log",
        Dependency.POSTGRES: "The database",
        Dependency.BLOBS: "The store of large content",
    }[error.dependency]
    return _later(f"{subject} is unavailable at the moment. Please try again.", f"{error.dependency}_unavailable")


def unconfirmed() -> Problem:
    return _later(
        "The queue did not confirm the job in time. Please try again: should it have arrived, it is found by its "
        "idempotency key, and without one it was withdrawn and ends as cancelled.",
        "queue_unconfirmed",
    )


def stopping() -> Problem:
    return _later("This replica is stopping. Please try again.", "stopping")


def _later(message: str, code: str) -> Problem:
    return Problem(503, message, _SERVER, code, headers=(_retry_after(_RETRY_SECONDS),))


def _retry_after(seconds: float) -> tuple[str, str]:
    return "retry-after", str(max(1, math.ceil(seconds)))


def of_ended(ended: JobEnded) -> Problem:
    """Why a job that has ended has no answer."""
    if ended.error is not None:
        return _of_error(ended.error)
    if ended.status is JobStatus.CANCELLED:
        return Problem(409, "The job was cancelled.", _INVALID, "job_cancelled")
    if ended.status is JobStatus.EXPIRED:
        return out_of_time()
    return Problem(502, "The job failed.", _SERVER, "job_failed")


_TOLD: Final = frozenset({400, 404, 409, 413, 422, 429, 500, 502, 503, 504})


def _of_error(error: JobError) -> Problem:
    # A provider may say anything; its 401 in particular is not about the caller's key.
    status = error.status_code if error.status_code in _TOLD else 400 if 400 <= error.status_code < 500 else 502
    return Problem(status, error.message, error.type, error.code, error.param)


def out_of_time() -> Problem:
    return Problem(504, "The job's deadline passed before it was answered.", _SERVER, "deadline_exceeded")


def answer_not_kept() -> Problem:
    return Problem(410, "The job succeeded, and its answer is no longer kept.", _INVALID, "answer_not_kept")


def interrupted() -> Problem:
    return Problem(502, "The answer was interrupted after a part of it was shown.", _SERVER, "stream_interrupted")


def no_key() -> Problem:
    message = (
        "You didn't provide an API key. Provide it in an Authorization header using Bearer auth "
        "(Authorization: Bearer YOUR_KEY)."
    )
    return Problem(401, message, _INVALID, "invalid_api_key", headers=_CHALLENGE)


def wrong_key() -> Problem:
    return Problem(401, "Incorrect API key provided.", _INVALID, "invalid_api_key", headers=_CHALLENGE)


_NO_RETRY: Final = ("x-should-retry", "false")
"""OpenAI's clients send every 429 again, unless they are told this."""

_CHALLENGE: Final = (("www-authenticate", "Bearer"),)


def turned_away(why: Turned) -> Problem:
    """Only whoever has the right secret is told more than that it is wrong."""
    match why:
        case Turned.UNKNOWN:
            return wrong_key()
        case Turned.EXPIRED:
            return Problem(401, "This API key has expired.", _INVALID, "api_key_expired", headers=_CHALLENGE)
        case Turned.REVOKED:
            return Problem(401, "This API key was revoked.", _INVALID, "api_key_revoked", headers=_CHALLENGE)
        case Turned.BLOCKED:
            return Problem(
                403, "This API key, its team or its tenant is blocked.", "permission_error", "api_key_blocked"
            )


def no_such_record(kind: str, name: str) -> Problem:
    return Problem(404, f"No {kind} '{name[:128]}'.", _INVALID, "not_found")


def name_taken(kind: str, name: str) -> Problem:
    return Problem(409, f"There is a {kind} '{name[:128]}' already.", _INVALID, "name_taken")


def set_in_file(budget: str) -> Problem:
    return Problem(
        409, f"The budget '{budget[:128]}' stands in sluice.yaml, and is changed there.", _INVALID, "name_taken"
    )


def key_is_revoked(key_id: str) -> Problem:
    return Problem(409, f"The key '{key_id[:128]}' is revoked, for ever.", _INVALID, "key_revoked")


def no_such_job(job: str) -> Problem:
    """Also for another tenant's: whether it exists is nobody else's business."""
    return Problem(404, f"No job with the id '{job[:64]}'.", _INVALID, "job_not_found", "job_id")


def bad_cursor(text: str) -> Problem:
    message = f"Invalid cursor '{text[:64]}': expected the id of an event, such as '1-12'."
    return Problem(400, message, _INVALID, "invalid_cursor", "Last-Event-ID")


def bad_parameter(name: str, why: str) -> Problem:
    return Problem(400, f"Invalid '{name}': {why}.", _INVALID, "invalid_value", name)


def body_too_large(limit: int) -> Problem:
    return Problem(
        413, f"The request body is larger than {limit} bytes.", _INVALID, "request_too_large", headers=_CLOSE
    )


def too_many_large() -> Problem:
    return _later("Too many large requests are on their way at once. Please try again.", "large_requests_busy")


def too_slow(seconds: float) -> Problem:
    message = f"A large request must arrive within {seconds:g} seconds."
    return Problem(408, message, _INVALID, "request_timeout", headers=_CLOSE)


def record_too_large() -> Problem:
    return Problem(413, "The request is larger than the queue can take.", _INVALID, "request_too_large")


_CLOSE: Final = (("connection", "close"),)
"""The rest of the body is not read."""


def no_such_path(method: str, path: str) -> Problem:
    return Problem(404, f"Invalid URL ({method} {path[:128]})", _INVALID, "unknown_url")


def method_not_allowed(method: str, path: str, allowed: str) -> Problem:
    headers = (("allow", allowed),) if allowed else ()
    return Problem(405, f"Not allowed to {method} on {path[:128]}.", _INVALID, "method_not_allowed", headers=headers)


def internal() -> Problem:
    return Problem(500, "The server had an error while processing your request.", _SERVER, "internal_error")
