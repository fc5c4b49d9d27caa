"""What Anthropic's dialect makes of errors, limits and the models' names, beyond the recordings."""

from dataclasses import replace
from datetime import timedelta

import orjson
import pytest

from services.router_worker.events import Chunk, LimitKind, RateLimit, UsageReported
from services.router_worker.failures import Failure, FailureKind
from services.router_worker.providers.dialects.anthropic import Anthropic
from services.router_worker.providers.dialects.anthropic.models import Claude, claude_of
from shared.contracts import UsageSource
from tests.dialects.recorded import ENVELOPE, RECORDINGS, played


def failure(status: int, kind: str | None, message: str = "No.", headers: dict[str, str] | None = None) -> Failure:
    body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}
    return Anthropic().failure(status, headers or {}, orjson.dumps(body))


@pytest.mark.parametrize(
    ("status", "type_", "kind"),
    [
        (400, "invalid_request_error", FailureKind.BAD_REQUEST),
        (401, "authentication_error", FailureKind.AUTH),
        (402, "billing_error", FailureKind.QUOTA_EXHAUSTED),
        (403, "permission_error", FailureKind.PERMISSION),
        (404, "not_found_error", FailureKind.MODEL_NOT_FOUND),
        (413, "request_too_large", FailureKind.TOO_LARGE),
        (413, "invalid_request_error", FailureKind.TOO_LARGE),
        (429, "rate_limit_error", FailureKind.RATE_LIMITED),
        (500, "api_error", FailureKind.SERVER_ERROR),
        (504, "timeout_error", FailureKind.SERVER_ERROR),
        (529, "overloaded_error", FailureKind.OVERLOADED),
        (502, None, FailureKind.SERVER_ERROR),
    ],
)
def test_an_error_is_of_the_kind_its_type_says(status: int, type_: str | None, kind: FailureKind) -> None:
    assert failure(status, type_).kind is kind


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("prompt is too long: 210000 tokens > 200000 maximum", FailureKind.CONTEXT_TOO_LONG),
        ("input length and `max_tokens` exceed context limit: context window", FailureKind.CONTEXT_TOO_LONG),
        ("Your credit balance is too low to access the Anthropic API.", FailureKind.QUOTA_EXHAUSTED),
        ("Output blocked by content filtering policy", FailureKind.CONTENT_FILTER),
    ],
)
def test_what_many_errors_have_as_their_type_is_told_apart_by_its_words(message: str, kind: FailureKind) -> None:
    assert failure(400, "invalid_request_error", message).kind is kind


def test_a_page_of_a_proxy_is_a_failure_too() -> None:
    assert Anthropic().failure(529, {}, b"<html>").kind is FailureKind.OVERLOADED


def test_the_wait_is_read_and_our_key_is_not_shown() -> None:
    refused = failure(429, "rate_limit_error", headers={"retry-after": "12"})
    assert refused.retry_after == timedelta(seconds=12)
    assert "sk-ant" not in failure(400, "invalid_request_error", "bad key sk-ant-api03-abcdef").message


def test_limits_are_told_until_when_by_the_answers_own_clock() -> None:
    headers = {
        "date": "Thu, 21 Aug 2025 12:41:00 GMT",
        "anthropic-ratelimit-requests-limit": "1000",
        "anthropic-ratelimit-requests-remaining": "999",
        "anthropic-ratelimit-requests-reset": "2025-08-21T12:40:59Z",
        "anthropic-ratelimit-input-tokens-limit": "80000",
        "anthropic-ratelimit-input-tokens-remaining": "79000",
        "anthropic-ratelimit-input-tokens-reset": "2025-08-21T12:41:30Z",
        "anthropic-ratelimit-output-tokens-reset": "soon",
    }
    assert Anthropic().limits(headers) == (
        RateLimit(LimitKind.REQUESTS, 1000, 999, timedelta()),
        RateLimit(LimitKind.INPUT_TOKENS, 80_000, 79_000, timedelta(seconds=30)),
    )


@pytest.mark.parametrize(
    ("model", "claude"),
    [
        ("claude-3-5-sonnet-20241022", Claude(adaptive=False, schemas=False)),
        ("claude-3-opus-latest", Claude(adaptive=False, schemas=False)),
        ("claude-opus-4-20250514", Claude(adaptive=False, schemas=False)),
        ("claude-opus-4-1-20250805", Claude(samples_by_both=False, adaptive=False)),
        ("anthropic.claude-sonnet-4-5-20250929-v1:0", Claude(samples_by_both=False, adaptive=False)),
        ("claude-sonnet-4-5@20250929", Claude(samples_by_both=False, adaptive=False)),
        ("claude-opus-4-6", Claude(samples_by_both=False, prefill=False)),
        ("claude-opus-4-8", Claude(samples=False, samples_by_both=False, prefill=False)),
        ("claude-haiku-5-5", Claude(samples=False, samples_by_both=False, prefill=False)),
        ("claude-mythos-preview", Claude(samples=False, samples_by_both=False, prefill=False)),
        ("our-own-name", Claude()),
    ],
)
def test_what_a_claude_takes_is_known_by_its_version(model: str, claude: Claude) -> None:
    assert claude_of(model, "2023-06-01") == claude


def test_a_broken_answer_is_charged_with_what_had_come() -> None:
    (cut,) = [path for path in RECORDINGS if (path.parent.name, path.stem) == ("anthropic", "cut")]
    events = played(Anthropic().decoder(ENVELOPE), [cut.read_bytes()])
    (usage,) = [event for event in events if isinstance(event, UsageReported)]
    assert usage.source is UsageSource.PARTIAL
    assert usage.usage.output == sum(isinstance(event, Chunk) and event.is_output for event in events)


def test_what_has_a_price_of_its_own_is_counted_beside_the_tokens() -> None:
    usage = {
        "input_tokens": 9,
        "cache_creation_input_tokens": 500,
        "cache_creation": {"ephemeral_5m_input_tokens": 200, "ephemeral_1h_input_tokens": 300},
        "output_tokens": 2,
        "server_tool_use": {"web_search_requests": 1},
    }
    text = {"type": "text", "text": "Yes."}
    body = {"type": "message", "model": "claude", "content": [text], "stop_reason": "end_turn", "usage": usage}
    events = played(Anthropic().decoder(replace(ENVELOPE, streamed=False)), [orjson.dumps(body)])
    (counted,) = [event for event in events if isinstance(event, UsageReported)]
    assert counted.usage.cache_write == 500
    assert counted.units == {"cache_write_1h": 300, "web_search": 1}
