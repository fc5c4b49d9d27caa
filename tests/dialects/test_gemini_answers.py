"""What Gemini's dialect makes of errors, blocks and ids, beyond the recordings."""

from datetime import timedelta
from typing import Any

import orjson
import pytest

from services.router_worker.events import Chunk, Failed, UsageReported
from services.router_worker.failures import Failure, FailureKind
from services.router_worker.providers.dialects.gemini import Gemini
from shared.contracts import Unit, UsageSource
from tests.dialects.recorded import ENVELOPE, RECORDINGS, played


def failure(code: int, status: str | None, message: str = "No.", *details: dict[str, Any]) -> Failure:
    error = {"code": code, "message": message, "status": status, "details": list(details)}
    return Gemini().failure(code, {}, orjson.dumps({"error": error}))


def spoken(*bodies: dict[str, Any]) -> list[Any]:
    return played(Gemini().decoder(ENVELOPE), [b"data: " + orjson.dumps(body) + b"\r\n\r\n" for body in bodies])


def recorded(case: str) -> list[Any]:
    (recording,) = [each for each in RECORDINGS if (each.parent.name, each.stem) == ("gemini", case)]
    return played(Gemini().decoder(ENVELOPE), [recording.read_bytes()])


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        (400, "INVALID_ARGUMENT", FailureKind.BAD_REQUEST),
        (400, "FAILED_PRECONDITION", FailureKind.PERMISSION),
        (401, "UNAUTHENTICATED", FailureKind.AUTH),
        (403, "PERMISSION_DENIED", FailureKind.PERMISSION),
        (404, "NOT_FOUND", FailureKind.MODEL_NOT_FOUND),
        (413, None, FailureKind.TOO_LARGE),
        (429, "RESOURCE_EXHAUSTED", FailureKind.RATE_LIMITED),
        (499, "CANCELLED", FailureKind.SERVER_ERROR),
        (500, "INTERNAL", FailureKind.SERVER_ERROR),
        (503, "UNAVAILABLE", FailureKind.OVERLOADED),
        (504, "DEADLINE_EXCEEDED", FailureKind.REQUEST_TIMEOUT),
    ],
)
def test_an_error_is_of_the_kind_its_status_says(code: int, status: str | None, kind: FailureKind) -> None:
    assert failure(code, status).kind is kind


@pytest.mark.parametrize(
    ("code", "status", "message", "kind"),
    [
        (
            400,
            "INVALID_ARGUMENT",
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
            FailureKind.CONTEXT_TOO_LONG,
        ),
        (
            400,
            "INVALID_ARGUMENT",
            "Request payload size exceeds the limit: 20971520 bytes.",
            FailureKind.TOO_LARGE,
        ),
        (400, "INVALID_ARGUMENT", "Corrupted thought signature.", FailureKind.UNSUPPORTED),
        (
            429,
            "RESOURCE_EXHAUSTED",
            "Your prepayment credits are depleted. Please go to AI Studio to manage your project and billing.",
            FailureKind.QUOTA_EXHAUSTED,
        ),
    ],
)
def test_what_shares_its_status_is_told_apart_by_its_words(
    code: int, status: str, message: str, kind: FailureKind
) -> None:
    assert failure(code, status, message).kind is kind


def test_a_key_that_is_not_valid_is_no_fault_of_the_request() -> None:
    kind = "type.googleapis.com/google.rpc.ErrorInfo"
    said = "API key not valid. Please pass a valid API key."
    detail = {"@type": kind, "reason": "API_KEY_INVALID", "domain": "googleapis.com"}
    refused = failure(400, "INVALID_ARGUMENT", said, detail)
    assert refused.kind is FailureKind.AUTH
    assert refused.message != said


@pytest.mark.parametrize(("delay", "seconds"), [("7s", 7), ("37.25s", 37.25), ("soon", None), (None, None)])
def test_the_wait_stands_in_the_details(delay: str | None, seconds: float | None) -> None:
    detail = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}
    wait = failure(429, "RESOURCE_EXHAUSTED", "No.", {"@type": "other"}, detail).retry_after
    assert wait == (timedelta(seconds=seconds) if seconds else None)


def test_an_error_in_a_list_is_read_too() -> None:
    body = orjson.dumps([{"error": {"code": 503, "message": "Busy.", "status": "UNAVAILABLE"}}])
    assert Gemini().failure(503, {}, body).message == "Busy."


def test_a_page_of_a_proxy_is_a_failure_too() -> None:
    assert Gemini().failure(502, {}, b"<html>").kind is FailureKind.SERVER_ERROR


def test_the_names_of_calls_without_ids_are_those_of_the_answer() -> None:
    events = recorded("tool-calls")
    calls = [
        call["id"]
        for event in events
        if isinstance(event, Chunk)
        for choice in orjson.loads(event.data)["choices"]
        for call in choice["delta"].get("tool_calls", ())
    ]
    assert calls == ["call_ours_0_0", "call_ours_0_1"]


@pytest.mark.parametrize(("case", "source"), [("cut", UsageSource.PARTIAL), ("text", UsageSource.PROVIDER)])
def test_what_was_counted_before_a_cut_is_a_part(case: str, source: UsageSource) -> None:
    (usage,) = [event for event in recorded(case) if isinstance(event, UsageReported)]
    assert usage.source is source


@pytest.mark.parametrize(
    ("case", "units"),
    [
        ("heard-and-seen", {Unit.INPUT_AUDIO: 450, Unit.INPUT_IMAGE: 258}),
        ("picture", {Unit.OUTPUT_IMAGE: 1120}),
        ("text", None),
    ],
)
def test_sounds_and_pictures_are_counted_for_their_own_prices(case: str, units: dict[Unit, int] | None) -> None:
    (usage,) = [event for event in recorded(case) if isinstance(event, UsageReported)]
    assert usage.units == units


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("PROHIBITED_CONTENT", FailureKind.CONTENT_FILTER),
        ("MODEL_ARMOR", FailureKind.CONTENT_FILTER),
        ("UNEXPECTED_TOOL_CALL", FailureKind.MALFORMED),
        ("MISSING_THOUGHT_SIGNATURE", FailureKind.BAD_REQUEST),
        ("OTHER", FailureKind.IN_STREAM_ERROR),
    ],
)
def test_an_answer_that_was_broken_off_at_once_is_none(reason: str, kind: FailureKind) -> None:
    (ending,) = spoken({"candidates": [{"finishReason": reason, "finishMessage": "So it is."}]})
    assert isinstance(ending, Failed)
    assert ending.failure.kind is kind
    assert reason in ending.failure.message
    assert "So it is." in ending.failure.message
