"""How a request is written for Bedrock, and what of one cannot be."""

from typing import Any

import orjson
import pytest

from services.router_worker.failures import Unsupported
from services.router_worker.providers.dialect import HttpCall
from services.router_worker.providers.dialects.bedrock import Bedrock
from services.router_worker.routing.plan import Candidate
from shared.config.schema import Provider, Timeouts
from shared.contracts import Endpoint
from tests.suites.provider_calls import a_job

CLAUDE = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
NEW_CLAUDE = "anthropic.claude-opus-4-7"
PROVIDER = Provider.model_validate(
    {"dialect": "bedrock", "base_url": "https://bedrock-runtime.eu-west-1.amazonaws.com", "api_key": "bedrock-key"}
)
CALL = {"id": "tooluse_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"properties": {"a": {"type": "integer"}}}}}]
USED = [
    {"role": "user", "content": "Go."},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "tooluse_1", "content": "42"},
]


def encoded(model: str = CLAUDE, *, streamed: bool = True, resume: str | None = None, **body: Any) -> Any:
    job = a_job(streamed=streamed, **body)
    return Bedrock().encode(job, Candidate("b/m", "b", model, "m", Timeouts()), PROVIDER, resume)


def body_of(model: str = CLAUDE, resume: str | None = None, **body: Any) -> dict[str, Any]:
    call = encoded(model, resume=resume, **body)
    assert isinstance(call, HttpCall), call
    written: dict[str, Any] = orjson.loads(call.body)
    return written


def lacking(model: str = CLAUDE, resume: str | None = None, **body: Any) -> Unsupported:
    told = encoded(model, resume=resume, **body)
    assert isinstance(told, Unsupported), told
    return told


@pytest.mark.parametrize(("streamed", "method"), [(True, "converse-stream"), (False, "converse")])
def test_the_address_names_the_model_whatever_is_in_its_name(streamed: bool, method: str) -> None:
    arn = "arn:aws:bedrock:eu-west-1:1:application-inference-profile/x"
    url = encoded(arn, streamed=streamed).url
    named = "arn:aws:bedrock:eu-west-1:1:application-inference-profile%2Fx"
    assert url == f"https://bedrock-runtime.eu-west-1.amazonaws.com/model/{named}/{method}"


def test_a_key_of_bedrock_is_a_bearer_token() -> None:
    assert encoded().headers["authorization"] == "Bearer bedrock-key"


def test_a_request_that_asks_for_little_says_little() -> None:
    assert body_of() == {"messages": [{"role": "user", "content": [{"text": "Tell me."}]}]}


def test_what_is_cached_ends_with_a_point_of_its_own() -> None:
    marked = {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    tool = {**TOOLS[0], "cache_control": {"type": "ephemeral"}}
    body = body_of(messages=[{"role": "system", "content": [marked]}, {"role": "user", "content": "?"}], tools=[tool])
    assert body["system"] == [{"text": "Be brief."}, {"cachePoint": {"type": "default", "ttl": "1h"}}]
    assert body["toolConfig"]["tools"][1] == {"cachePoint": {"type": "default"}}


def test_calls_and_results_are_blocks_of_both_sides() -> None:
    body = body_of(messages=[*USED, {"role": "user", "content": "And?"}], tools=TOOLS)
    assert body["messages"][1:] == [
        {"role": "assistant", "content": [{"toolUse": {"toolUseId": "tooluse_1", "name": "f", "input": {"a": 1}}}]},
        {
            "role": "user",
            "content": [{"toolResult": {"toolUseId": "tooluse_1", "content": [{"text": "42"}]}}, {"text": "And?"}],
        },
    ]


def test_thoughts_go_back_if_they_are_genuine() -> None:
    thoughts = [
        {"type": "thinking", "thinking": "Hm.", "signature": "s"},
        {"type": "redacted_thinking", "data": "cg=="},
        {"type": "thinking", "thinking": "Of another family."},
    ]
    said = {"role": "assistant", "content": "Yes.", "thinking_blocks": thoughts}
    messages = [{"role": "user", "content": "?"}, said, {"role": "user", "content": "!"}]
    assert body_of(messages=messages)["messages"][1]["content"] == [
        {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "s"}}},
        {"reasoningContent": {"redactedContent": "cg=="}},
        {"text": "Yes."},
    ]


def test_a_document_is_named_as_bedrock_allows() -> None:
    file = {"file_data": "data:text/csv;base64,YQ==", "filename": "Q3_über: all.csv"}
    body = body_of(messages=[{"role": "user", "content": [{"type": "file", "file": file}]}])
    (block,) = body["messages"][0]["content"]
    assert block == {"document": {"format": "csv", "name": "Q3 ber all", "source": {"bytes": "YQ=="}}}


def test_a_schema_is_written_as_text() -> None:
    form = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}
    structure = body_of(response_format=form)["outputConfig"]["textFormat"]["structure"]
    assert structure == {"jsonSchema": {"name": "n", "schema": '{"type":"object"}'}}


@pytest.mark.parametrize(
    ("model", "effort", "said"),
    [
        (CLAUDE, "low", {"additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}}}),
        (
            NEW_CLAUDE,
            "high",
            {
                "additionalModelRequestFields": {
                    "thinking": {"type": "adaptive", "display": "summarized"},
                    "output_config": {"effort": "high"},
                }
            },
        ),
        ("openai.gpt-oss-120b-1:0", "medium", {"additionalModelRequestFields": {"reasoning_effort": "medium"}}),
        (
            "us.amazon.nova-2-lite-v1:0",
            "low",
            {"additionalModelRequestFields": {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}},
        ),
        (
            "us.amazon.nova-2-lite-v1:0",
            "none",
            {"additionalModelRequestFields": {"reasoningConfig": {"type": "disabled"}}},
        ),
        ("arn:aws:bedrock:x", "xhigh", {"outputConfig": {"effort": "xhigh"}}),
    ],
)
def test_effort_is_said_as_each_makers_models_want_it(model: str, effort: str, said: dict[str, Any]) -> None:
    body = body_of(model, reasoning_effort=effort)
    body.pop("messages")
    assert body == said


def test_bedrocks_own_parameters_pass() -> None:
    guard = {"guardrailIdentifier": "g", "guardrailVersion": "1"}
    body = body_of(guardrailConfig=guard, additionalModelRequestFields={"top_k": 5})
    assert body["guardrailConfig"] == guard
    assert body["additionalModelRequestFields"] == {"top_k": 5}


def test_an_answer_goes_on_behind_what_was_shown() -> None:
    assert body_of(resume="A sluice ")["messages"][-1] == {"role": "assistant", "content": [{"text": "A sluice"}]}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": USED}, "tools"),
        ({"messages": USED, "tools": TOOLS, "tool_choice": "none"}, "tool_choice"),
        ({"tools": TOOLS, "parallel_tool_calls": False}, "parallel_tool_calls"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"temperature": 1.5}, "temperature"),
        ({"temperature": 0.5, "top_p": 0.5}, "top_p"),
        ({"guardrailConfig": "g"}, "guardrailConfig"),
        ({"model": "m", "logit_bias": {"1": 1}}, "logit_bias"),
    ],
)
def test_what_there_are_no_words_for_is_told(body: dict[str, Any], param: str) -> None:
    assert lacking(**body).param == param


@pytest.mark.parametrize(
    ("part", "place"),
    [
        ({"type": "image_url", "image_url": {"url": "https://p.test/cat.png"}}, ".image_url.url"),
        ({"type": "image_url", "image_url": {"url": "data:image/tiff;base64,AA=="}}, ".image_url.url"),
        (
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}},
            ".image_url.detail",
        ),
        ({"type": "file", "file": {"file_id": "file-1"}}, ".file"),
        ({"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}, ""),
    ],
)
def test_what_is_no_content_for_bedrock_is_told(part: dict[str, Any], place: str) -> None:
    assert lacking(messages=[{"role": "user", "content": [part]}]).param == f"messages[0].content[0]{place}"


@pytest.mark.parametrize(
    ("model", "resume", "body", "param"),
    [
        (NEW_CLAUDE, "A slui", {}, "messages[0]"),
        (NEW_CLAUDE, None, {"temperature": 0.5}, "temperature"),
        ("anthropic.claude-3-5-sonnet-20241022-v2:0", None, {"reasoning_effort": "much"}, "reasoning_effort"),
        ("openai.gpt-oss-20b-1:0", None, {"reasoning_effort": "max"}, "reasoning_effort"),
        ("openai.gpt-oss-20b-1:0", None, {"thinking": {"type": "adaptive"}}, "thinking"),
    ],
)
def test_what_a_model_does_not_take_is_told(model: str, resume: str | None, body: dict[str, Any], param: str) -> None:
    assert lacking(model, resume, **body).param == param


def test_converse_embeds_nothing() -> None:
    job = a_job(input="x").model_copy(update={"endpoint": Endpoint.EMBEDDINGS})
    told = Bedrock().encode(job, Candidate("b/m", "b", "m", "m", Timeouts()), PROVIDER, None)
    assert isinstance(told, Unsupported)
    assert told.param == "input"
