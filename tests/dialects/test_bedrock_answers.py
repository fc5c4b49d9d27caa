"""What Bedrock says beyond what its recordings show: whole answers, broken streams, refusals."""

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.router_worker.events import Answered, Failed, Finished, UsageReported
from services.router_worker.failures import FailureKind
from services.router_worker.providers.dialects.bedrock import Bedrock
from shared.contracts import TokenUsage, Unit
from simulator.dialects.bedrock_voice import message
from tests.dialects.recorded import ENVELOPE, RECORDINGS, a_decoder, played
from tests.dialects.test_anything import anything, places, with_another

USAGE = {"inputTokens": 9, "outputTokens": 5, "totalTokens": 14}


def answered(content: list[Any], reason: str = "end_turn", usage: dict[str, Any] | None = None) -> list[Any]:
    body = {"output": {"message": {"role": "assistant", "content": content}}, "stopReason": reason}
    said = orjson.dumps({**body, "usage": usage or USAGE, "metrics": {"latencyMs": 1}})
    return played(Bedrock().decoder(replace(ENVELOPE, streamed=False)), [said])


def heard(name: str, body: dict[str, Any], kind: str = "event") -> bytes:
    return message({f":{kind}-type": name, ":message-type": kind}, orjson.dumps(body))


def test_a_whole_answer_is_read_block_by_block() -> None:
    content = [
        {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "s"}}},
        {"reasoningContent": {"redactedContent": "cg=="}},
        {"text": "Let me see."},
        {"toolUse": {"toolUseId": "t1", "name": "f", "input": {"a": 1}}},
        {"toolUse": {"toolUseId": "t2", "name": "g", "input": {}}},
    ]
    whole, _, _ = answered(content, "tool_use")
    assert isinstance(whole, Answered)
    (choice,) = whole.response["choices"]
    said = choice["message"]
    assert choice["finish_reason"] == "tool_calls"
    assert (said["content"], said["reasoning_content"]) == ("Let me see.", "Hm.")
    assert said["thinking_blocks"] == [
        {"type": "thinking", "thinking": "Hm.", "signature": "s"},
        {"type": "redacted_thinking", "data": "cg=="},
    ]
    assert [call["function"] for call in said["tool_calls"]] == [
        {"name": "f", "arguments": '{"a":1}'},
        {"name": "g", "arguments": "{}"},
    ]


@pytest.mark.parametrize(
    ("reason", "ours"),
    [
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("content_filtered", "content_filter"),
        ("guardrail_intervened", "content_filter"),
        ("something_new", "stop"),
    ],
)
def test_reasons_are_openais(reason: str, ours: str) -> None:
    ending = answered([{"text": "Yes."}], reason)[-1]
    assert isinstance(ending, Finished)
    assert ending.finish_reason == ours


def test_what_the_model_garbled_is_no_answer_but_is_paid() -> None:
    used, ending = answered([{"text": "Yes."}], "malformed_model_output")
    assert isinstance(used, UsageReported)
    assert isinstance(ending, Failed)
    assert ending.failure.kind is FailureKind.MALFORMED


def test_what_is_cached_for_an_hour_has_its_own_price() -> None:
    details = [{"ttl": "1h", "inputTokens": 200}, {"ttl": "5m", "inputTokens": 100}]
    cached = {"cacheReadInputTokens": 50, "cacheWriteInputTokens": 300, "cacheDetails": details}
    _, used, _ = answered([{"text": "Yes."}], usage={**USAGE, **cached})
    assert used.usage == TokenUsage(uncached_input=9, cache_write=300, cache_read=50, output=5)
    assert used.units == {Unit.CACHE_WRITE_1H: 200}


def test_what_bedrock_calls_itself_is_none_of_the_callers_tools() -> None:
    called = {"toolUse": {"toolUseId": "t", "name": "nova_grounding", "type": "server_tool_use", "input": {"q": "x"}}}
    whole, *_ = answered([called, {"text": "Yes."}])
    assert "tool_calls" not in whole.response["choices"][0]["message"]


@pytest.mark.parametrize(
    "answer",
    [
        b"\0\0\0\0" * 8,
        b"HTTP/1.1 200 OK and so on",
        message({":message-type": "event"}, b"{}"),
        message({}, b"{}"),
        message({":event-type": "contentBlockDelta", ":message-type": "event"}, b"{"),
        message({":exception-type": "throttlingException", ":message-type": "exception"}, b"["),
        heard("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": 7}}),
    ],
)
def test_what_is_no_such_stream_is_malformed(answer: bytes) -> None:
    ending = played(Bedrock().decoder(ENVELOPE), [answer])[-1]
    assert isinstance(ending, Failed)
    assert ending.failure.kind is FailureKind.MALFORMED


def test_an_error_that_came_instead_of_a_stream_is_read() -> None:
    body = b'{"message":"Too many requests","__type":"com.amazon.coral#ThrottlingException"}'
    (ending,) = played(Bedrock().decoder(ENVELOPE), [body])
    assert isinstance(ending, Failed)
    assert ending.failure.kind is FailureKind.RATE_LIMITED


@pytest.mark.parametrize(
    ("status", "name", "words", "kind"),
    [
        (400, "ValidationException", "Malformed input request.", FailureKind.BAD_REQUEST),
        (400, "ValidationException", "Input is too long for requested model.", FailureKind.CONTEXT_TOO_LONG),
        (400, "ValidationException", "The provided model identifier is invalid.", FailureKind.MODEL_NOT_FOUND),
        (403, "AccessDeniedException", "No access.", FailureKind.PERMISSION),
        (403, "ExpiredTokenException", "The security token is expired.", FailureKind.AUTH),
        (403, "InvalidSignatureException", "The signature does not match.", FailureKind.AUTH),
        (403, "UnrecognizedClientException", "The security token is invalid.", FailureKind.AUTH),
        (404, "ResourceNotFoundException", "End of its life.", FailureKind.MODEL_NOT_FOUND),
        (408, "ModelTimeoutException", "Too long.", FailureKind.REQUEST_TIMEOUT),
        (424, "ModelErrorException", "The model failed.", FailureKind.SERVER_ERROR),
        (429, "ModelNotReadyException", "Not ready.", FailureKind.OVERLOADED),
        (429, "ThrottlingException", "Too many tokens, please wait.", FailureKind.RATE_LIMITED),
        (500, "InternalServerException", "Sorry.", FailureKind.SERVER_ERROR),
        (503, "ServiceUnavailableException", "Sorry.", FailureKind.OVERLOADED),
        (503, "SomethingNewException", "Sorry.", FailureKind.OVERLOADED),
    ],
)
def test_a_refusal_is_known_by_its_name(status: int, name: str, words: str, kind: FailureKind) -> None:
    headers = {"x-amzn-errortype": f"{name}:http://internal.amazon.com/coral/com.amazon.bedrock/"}
    failure = Bedrock().failure(status, headers, orjson.dumps({"message": words}))
    assert failure.kind is kind
    named = Bedrock().failure(status, {}, orjson.dumps({"Message": words, "__type": f"com.amazon#{name}"}))
    assert named == failure


MESSAGES = [
    (path, place)
    for path in RECORDINGS
    if path.parent.name == "bedrock" and path.stem in ("text", "tools", "reasoning", "cached", "throttled")
    for place in range(path.read_bytes().count(b":message-type"))
]


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_stream_with_anything_in_it_has_exactly_one_ending(data: st.DataObject) -> None:
    from botocore.eventstream import EventStreamBuffer

    path, place = data.draw(st.sampled_from(MESSAGES))
    buffer = EventStreamBuffer()
    buffer.add_data(path.read_bytes())
    said = [(found.headers, orjson.loads(found.payload)) for found in buffer]
    headers, body = said[place]
    changed = with_another(body, data.draw(st.sampled_from([(), *places(body)])), data.draw(anything))
    try:
        said[place] = (headers, orjson.loads(orjson.dumps(changed)))
    except orjson.JSONEncodeError:
        return
    answer = b"".join(message(headers, orjson.dumps(body)) for headers, body in said)
    events = played(a_decoder(path), [answer])
    assert [isinstance(event, Finished | Failed) for event in events] == [False] * (len(events) - 1) + [True]
