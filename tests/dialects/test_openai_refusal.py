"""What OpenAI's dialect makes of errors."""

from datetime import timedelta

import orjson
import pytest

from services.router_worker.failures import Failure, FailureKind
from services.router_worker.providers.dialects.openai import OpenAI


def failure(status: int, body: object = None, headers: dict[str, str] | None = None) -> Failure:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return OpenAI().failure(status, headers or {}, raw)


def an_error(code: str | None = None, type_: str = "invalid_request_error", message: str = "No.") -> object:
    return {"error": {"message": message, "type": type_, "param": None, "code": code}}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, FailureKind.BAD_REQUEST),
        (401, FailureKind.AUTH),
        (402, FailureKind.QUOTA_EXHAUSTED),
        (403, FailureKind.PERMISSION),
        (404, FailureKind.MODEL_NOT_FOUND),
        (405, FailureKind.UNKNOWN),
        (408, FailureKind.REQUEST_TIMEOUT),
        (409, FailureKind.CONFLICT),
        (413, FailureKind.TOO_LARGE),
        (422, FailureKind.BAD_REQUEST),
        (429, FailureKind.RATE_LIMITED),
        (500, FailureKind.SERVER_ERROR),
        (502, FailureKind.SERVER_ERROR),
        (503, FailureKind.OVERLOADED),
        (504, FailureKind.SERVER_ERROR),
        (529, FailureKind.OVERLOADED),
        (599, FailureKind.SERVER_ERROR),
        (302, FailureKind.UNKNOWN),
    ],
)
def test_a_status_alone_says_what_happened(status: int, kind: FailureKind) -> None:
    assert failure(status, b"<html>Bad gateway</html>").kind is kind
    assert failure(status, an_error()).kind is kind


@pytest.mark.parametrize(
    ("status", "code", "type_", "kind"),
    [
        (429, "insufficient_quota", "insufficient_quota", FailureKind.QUOTA_EXHAUSTED),
        (429, "rate_limit_exceeded", "tokens", FailureKind.RATE_LIMITED),
        (400, "context_length_exceeded", "invalid_request_error", FailureKind.CONTEXT_TOO_LONG),
        (400, "content_filter", None, FailureKind.CONTENT_FILTER),
        (400, "content_policy_violation", "image_generation_user_error", FailureKind.CONTENT_FILTER),
        (404, "DeploymentNotFound", None, FailureKind.MODEL_NOT_FOUND),
        (400, "model_not_found", None, FailureKind.MODEL_NOT_FOUND),
        (500, None, "overloaded_error", FailureKind.OVERLOADED),
        (503, None, "server_error", FailureKind.OVERLOADED),
    ],
)
def test_the_providers_own_code_says_more_than_the_status(
    status: int, code: str | None, type_: str, kind: FailureKind
) -> None:
    assert failure(status, an_error(code, type_)).kind is kind


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens.",
        "the request exceeds the available context size (8192 tokens)",
        "prompt is too long: 210000 tokens > 200000 maximum",
    ],
)
def test_a_context_that_is_too_long_is_known_by_its_words_too(message: str) -> None:
    assert failure(400, an_error(None, "BadRequestError", message)).kind is FailureKind.CONTEXT_TOO_LONG


def test_the_providers_words_reach_the_caller() -> None:
    body = {"error": {"message": "Bad n.", "type": "invalid_request_error", "param": "n", "code": "invalid_value"}}
    assert failure(400, body) == Failure(
        FailureKind.BAD_REQUEST,
        "Bad n.",
        status=400,
        code="invalid_value",
        param="n",
        type="invalid_request_error",
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": "model is loading"}, "model is loading"),
        ({"object": "error", "message": "no such lora", "type": "NotFound", "code": 400}, "no such lora"),
        ({"detail": "Field required"}, "Field required"),
        ([{"error": {"code": 400, "message": "bad turn", "status": "INVALID_ARGUMENT"}}], "bad turn"),
        (b"<html>oops</html>", "The provider answered with status 400 and no reason."),
        (b"", "The provider answered with status 400 and no reason."),
        ([], "The provider answered with status 400 and no reason."),
        ({"error": {"message": ""}}, "The provider answered with status 400 and no reason."),
    ],
)
def test_any_body_of_an_error_can_be_read(body: object, message: str) -> None:
    assert failure(400, body).message == message


@pytest.mark.parametrize("status", [401, 403, 402])
def test_what_concerns_our_account_is_not_quoted(status: int) -> None:
    refused = failure(status, an_error("x", message="Incorrect API key provided: sk-proj-abc. Ask billing@us."))
    assert "sk-proj" not in str(refused)
    assert "billing" not in str(refused)


def test_secrets_in_a_message_are_struck_out() -> None:
    message = failure(400, an_error(message="header 'Bearer abc.def' and key sk-live-0123456789 are odd")).message
    assert message == "header '[secret] and key [secret] are odd"


def test_what_only_looks_like_a_secret_is_kept() -> None:
    assert (
        failure(400, an_error(message="Unknown parameter: 'key_name_x'.")).message == "Unknown parameter: 'key_name_x'."
    )


def test_a_long_message_is_cut() -> None:
    assert len(failure(400, an_error(message="x" * 100_000)).message) == 2000


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "20"}, 20),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "-3"}, 0),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after": "Sat, 21 Nov 2026 12:01:00 GMT", "date": "Sat, 21 Nov 2026 12:00:00 GMT"}, 60),
        ({"retry-after": "Sat, 21 Nov 2026 11:59:00 GMT", "date": "Sat, 21 Nov 2026 12:00:00 GMT"}, 0),
        ({"retry-after": "1e99"}, 366 * 86_400),
    ],
)
def test_the_time_to_wait_is_read_in_all_its_forms(headers: dict[str, str], seconds: float) -> None:
    assert failure(429, an_error(), headers).retry_after == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"retry-after": "soon"},
        {"retry-after": "nan"},
        {"retry-after": "inf"},
        {"retry-after": "Sat, 21 Nov 2026 12:01:00 GMT"},
        {"retry-after": "Sat, 21 Nov 2026 12:01:00 GMT", "date": "today"},
        {"retry-after": "Sat, 21 Nov 2026 12:01:00", "date": "Sat, 21 Nov 2026 12:00:00 GMT"},
    ],
)
def test_a_time_to_wait_that_cannot_be_read_is_none(headers: dict[str, str]) -> None:
    assert failure(429, an_error(), headers).retry_after is None
