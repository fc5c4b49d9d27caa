"""What Cohere's dialect makes of errors, limits and embeddings, beyond the recordings."""

from dataclasses import replace
from datetime import timedelta

import orjson
import pytest

from services.router_worker.events import Answered, Failed, LimitKind, RateLimit, UsageReported
from services.router_worker.failures import Failure, FailureKind
from services.router_worker.providers.dialects.cohere import Cohere
from shared.contracts import Endpoint
from tests.dialects.recorded import ENVELOPE, played

EMBEDDINGS = replace(ENVELOPE, endpoint=Endpoint.EMBEDDINGS, streamed=False)


def failure(status: int, message: str = "No.", headers: dict[str, str] | None = None) -> Failure:
    return Cohere().failure(status, headers or {}, orjson.dumps({"id": "1", "message": message}))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, FailureKind.BAD_REQUEST),
        (401, FailureKind.AUTH),
        (402, FailureKind.QUOTA_EXHAUSTED),
        (403, FailureKind.PERMISSION),
        (404, FailureKind.MODEL_NOT_FOUND),
        (422, FailureKind.BAD_REQUEST),
        (429, FailureKind.RATE_LIMITED),
        (498, FailureKind.CONTENT_FILTER),
        (499, FailureKind.SERVER_ERROR),
        (500, FailureKind.SERVER_ERROR),
        (501, FailureKind.UNSUPPORTED),
        (503, FailureKind.OVERLOADED),
        (504, FailureKind.REQUEST_TIMEOUT),
    ],
)
def test_an_error_is_of_the_kind_its_status_says(status: int, kind: FailureKind) -> None:
    assert failure(status).kind is kind


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (
            400,
            "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 4292.",
            FailureKind.CONTEXT_TOO_LONG,
        ),
        (
            429,
            "You are using a Trial key, which is limited to 1000 API calls / month.",
            FailureKind.QUOTA_EXHAUSTED,
        ),
        (
            429,
            "You are using a Trial key, which is limited to 20 API calls / minute.",
            FailureKind.RATE_LIMITED,
        ),
    ],
)
def test_what_shares_its_status_is_told_apart_by_its_words(status: int, message: str, kind: FailureKind) -> None:
    assert failure(status, message).kind is kind


def test_a_page_of_a_proxy_is_a_failure_too() -> None:
    assert Cohere().failure(503, {"retry-after": "3"}, b"<html>").retry_after == timedelta(seconds=3)


def test_the_calls_of_a_trial_key_are_told() -> None:
    headers = {
        "x-endpoint-monthly-call-limit": "1000",
        "x-trial-endpoint-call-limit": "20",
        "x-trial-endpoint-call-remaining": "19",
    }
    assert Cohere().limits(headers) == (RateLimit(LimitKind.REQUESTS, 20, 19),)
    assert Cohere().limits({}) == ()


def test_embeddings_are_read_from_their_type() -> None:
    body = {"id": "1", "embeddings": {"float": [[0.5, 1.0]]}, "meta": {"billed_units": {"input_tokens": 2.0}}}
    answered, usage, _ = played(Cohere().decoder(EMBEDDINGS), [orjson.dumps(body)])
    assert isinstance(answered, Answered)
    assert answered.response["data"] == [{"object": "embedding", "index": 0, "embedding": [0.5, 1.0]}]
    assert isinstance(usage, UsageReported)
    assert usage.usage.uncached_input == 2


def test_an_error_instead_of_embeddings_is_one() -> None:
    (ending,) = played(Cohere().decoder(EMBEDDINGS), [b'{"id":"1","message":"No."}'])
    assert isinstance(ending, Failed)
    assert ending.failure.message == "No."
