"""What Anthropic's dialect sends, and what it says it cannot."""

from typing import Any

import orjson
import pytest

from services.router_worker.failures import Unsupported
from services.router_worker.providers.dialect import HttpCall
from services.router_worker.providers.dialects.anthropic import Anthropic
from services.router_worker.routing.plan import Candidate
from shared.config.schema import Provider, Timeouts
from tests.dialects.test_openai_request import a_job

OLD, NEW, NEWEST = "claude-sonnet-4-20250514", "claude-opus-4-6", "claude-sonnet-5"
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"properties": {}}}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True}}


def encoded(
    body: dict[str, Any], model: str = OLD, *, streamed: bool = True, resume: str | None = None, **section: Any
) -> HttpCall | Unsupported:
    provider = {"dialect": "anthropic", "base_url": "https://api.anthropic.test/v1", "api_key": "sk-ant\n", **section}
    candidate = Candidate("a/m", "a", model, "claude", Timeouts())
    return Anthropic().encode(a_job(body, streamed=streamed), candidate, Provider.model_validate(provider), resume)


def sent(body: dict[str, Any], model: str = OLD, **call: Any) -> dict[str, Any]:
    found = encoded(body, model, **call)
    assert isinstance(found, HttpCall), found
    parsed: dict[str, Any] = orjson.loads(found.body)
    return parsed


def lacking(body: dict[str, Any], model: str = OLD, **call: Any) -> str:
    found = encoded(body, model, **call)
    assert isinstance(found, Unsupported), "it was sent"
    return found.param


def test_it_posts_messages_as_the_account() -> None:
    call = encoded({})
    assert isinstance(call, HttpCall)
    assert call.url == "https://api.anthropic.test/v1/messages"
    assert call.headers["x-api-key"] == "sk-ant"
    assert call.headers["anthropic-version"] == "2023-06-01"
    assert "authorization" not in call.headers
    assert "sk-ant" not in repr(call)


def test_headers_of_the_section_are_sent_and_win() -> None:
    call = encoded({}, headers={"Anthropic-Beta": "context-1m-2025-08-07"}, api_version="2026-10-21")
    assert isinstance(call, HttpCall)
    assert call.headers["anthropic-beta"] == "context-1m-2025-08-07"
    assert call.headers["anthropic-version"] == "2026-10-21"


def test_a_stream_is_asked_for_where_the_job_streams() -> None:
    assert sent({})["stream"] is True
    assert "stream" not in sent({}, streamed=False)


@pytest.mark.parametrize(
    ("body", "model", "most"),
    [
        ({"max_tokens": 7}, OLD, 7),
        ({"max_completion_tokens": 8, "max_tokens": 7}, OLD, 8),
        ({}, "claude-3-haiku-20240307", 4_096),
        ({}, "claude-opus-4-5", 64_000),
        ({}, "claude-of-tomorrow", 32_000),
    ],
)
def test_a_maximum_is_always_said(body: dict[str, Any], model: str, most: int) -> None:
    assert sent(body, model)["max_tokens"] == most


def test_instructions_stand_above_wherever_they_were() -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "developer", "content": "Be kind."},
    ]
    body = sent({"messages": messages})
    assert body["system"] == [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Be kind."}]
    assert body["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]


def test_results_and_the_next_question_are_one_turn() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    messages = [
        {"role": "user", "content": "Go"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "42"},
        {"role": "user", "content": "And?"},
    ]
    _, used, results = sent({"messages": messages})["messages"]
    assert used["content"] == [{"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}}]
    assert results["role"] == "user"
    assert results["content"] == [
        {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "42"}]},
        {"type": "text", "text": "And?"},
    ]


def test_only_genuine_thoughts_go_back() -> None:
    blocks = [
        {"type": "thinking", "thinking": "Hm.", "signature": "sig"},
        {"type": "thinking", "thinking": "unsigned"},
        {"type": "thought", "of": "another family"},
        {"type": "redacted_thinking", "data": "xyz"},
    ]
    reply = {"role": "assistant", "content": "Hi", "reasoning_content": "Hm.", "thinking_blocks": blocks}
    messages = [{"role": "user", "content": "Hi"}, reply, {"role": "user", "content": "More"}]
    assert sent({"messages": messages})["messages"][1]["content"] == [
        blocks[0],
        blocks[3],
        {"type": "text", "text": "Hi"},
    ]


def test_marks_of_the_cache_stay_where_they_were() -> None:
    mark = {"type": "ephemeral"}
    part = {"type": "text", "text": "Long.", "cache_control": mark}
    body = sent({"messages": [{"role": "user", "content": [part]}], "tools": [{**TOOL, "cache_control": mark}]})
    assert body["messages"][0]["content"][0]["cache_control"] == mark
    assert body["tools"][0]["cache_control"] == mark


def test_a_pdf_comes_along_as_a_document() -> None:
    part = {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}}
    (block,) = sent({"messages": [{"role": "user", "content": [part]}]})["messages"][0]["content"]
    assert block["source"] == {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}
    assert block["title"] == "a.pdf"


@pytest.mark.parametrize(
    ("body", "choice"),
    [
        ({"tool_choice": "required"}, {"type": "any"}),
        ({"tool_choice": "none"}, {"type": "none"}),
        ({"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
        ({"tool_choice": "required", "parallel_tool_calls": False}, {"type": "any", "disable_parallel_tool_use": True}),
        ({}, None),
    ],
)
def test_the_choice_of_tools_is_said_in_its_words(body: dict[str, Any], choice: object) -> None:
    assert sent({"tools": [TOOL], **body}).get("tool_choice") == choice


def test_every_tool_takes_an_object() -> None:
    (tool,) = sent({"tools": [{"type": "function", "function": {"name": "f", "strict": True}}]})["tools"]
    assert tool == {"name": "f", "input_schema": {"type": "object"}, "strict": True}


def test_the_user_is_named_as_metadata() -> None:
    assert sent({"user": "u-1"})["metadata"] == {"user_id": "u-1"}
    assert sent({"safety_identifier": "s-1"})["metadata"] == {"user_id": "s-1"}


@pytest.mark.parametrize(
    ("model", "effort", "thinking", "config"),
    [
        (NEW, "high", {"type": "adaptive", "display": "summarized"}, {"effort": "high"}),
        (NEW, "minimal", {"type": "adaptive", "display": "summarized"}, {"effort": "low"}),
        (NEW, "none", {"type": "disabled"}, None),
        (OLD, "low", {"type": "enabled", "budget_tokens": 1_024}, None),
        (OLD, "high", {"type": "enabled", "budget_tokens": 5_000}, None),
    ],
)
def test_each_generation_is_told_in_its_way_how_much_to_think(
    model: str, effort: str, thinking: object, config: object
) -> None:
    body = sent({"reasoning_effort": effort, "max_tokens": 10_000}, model)
    assert body["thinking"] == thinking
    assert body.get("output_config") == config


def test_schema_and_effort_stand_side_by_side() -> None:
    body = sent({"response_format": SCHEMA, "reasoning_effort": "low"}, NEW)
    assert body["output_config"] == {"format": {"type": "json_schema", "schema": {"type": "object"}}, "effort": "low"}


def test_anthropics_own_words_pass() -> None:
    body = sent({"thinking": {"type": "enabled", "budget_tokens": 2_000}, "top_k": 5})
    assert body["thinking"] == {"type": "enabled", "budget_tokens": 2_000}
    assert body["top_k"] == 5


def test_an_answer_is_continued_without_the_white_space_that_may_not_stand_there() -> None:
    assert sent({}, resume="It was a \n")["messages"][-1] == {
        "role": "assistant",
        "content": [{"type": "text", "text": "It was a"}],
    }


PREFILLED = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "{"}]}
SOUND = {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}


@pytest.mark.parametrize(
    ("body", "model", "param"),
    [
        ({"seed": 1}, OLD, "seed"),
        ({"n": 2}, OLD, "n"),
        ({"logprobs": True}, OLD, "logprobs"),
        ({"frequency_penalty": 0.5}, OLD, "frequency_penalty"),
        ({"temperature": 1.5}, OLD, "temperature"),
        ({"temperature": 0.5}, NEWEST, "temperature"),
        ({"temperature": 0.5, "top_p": 0.5}, "claude-sonnet-4-5", "top_p"),
        ({"temperature": 0.5, "reasoning_effort": "low"}, NEW, "temperature"),
        ({"tools": [TOOL], "tool_choice": "required", "reasoning_effort": "low"}, NEW, "tool_choice"),
        ({"reasoning_effort": "low", "max_tokens": 1_000}, OLD, "reasoning_effort"),
        ({"reasoning_effort": "wild"}, NEW, "reasoning_effort"),
        ({"reasoning_effort": "low", "thinking": {"type": "disabled"}}, OLD, "reasoning_effort"),
        ({"response_format": {"type": "json_object"}}, NEW, "response_format"),
        ({"response_format": SCHEMA}, OLD, "response_format"),
        (PREFILLED, NEW, "messages[1]"),
        ({"messages": [{"role": "user", "content": [SOUND]}]}, OLD, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": "Hi", "name": "Ann"}]}, OLD, "messages[0].name"),
    ],
)
def test_what_there_are_no_words_for_is_told(body: dict[str, Any], model: str, param: str) -> None:
    assert lacking(body, model) == param


def test_a_claude_that_takes_no_beginning_is_not_asked_to_go_on() -> None:
    assert lacking({}, NEW, resume="It was") == "messages[0]"


def test_models_that_take_it_are_sent_it() -> None:
    assert sent({"temperature": 0.5}, NEW)["temperature"] == 0.5
    assert sent({"temperature": 1, "top_p": 1}, NEWEST)
    assert sent(PREFILLED, OLD)["messages"][-1]["role"] == "assistant"


def test_the_api_of_2026_is_not_told_how_to_sample() -> None:
    assert lacking({"temperature": 0.5}, NEW, api_version="2026-10-21") == "temperature"


def test_a_name_may_be_left_out_where_the_section_says_so() -> None:
    messages = [{"role": "user", "content": "Hi", "name": "Ann"}]
    assert sent({"messages": messages, "seed": 1}, drop=["seed", "messages.name"])["messages"]


def test_what_another_model_painted_is_told() -> None:
    painted = {
        "role": "assistant",
        "content": "So.",
        "images": [{"type": "image_url", "image_url": {"url": "https://p"}}],
    }
    assert lacking({"messages": [painted, {"role": "user", "content": "Bluer."}]}) == "messages[0].images"
