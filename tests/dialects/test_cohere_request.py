"""What Cohere's dialect sends, and what it says it cannot."""

from typing import Any

import orjson
import pytest

from services.router_worker.failures import Unsupported
from services.router_worker.providers.dialect import HttpCall
from services.router_worker.providers.dialects.cohere import Cohere
from services.router_worker.routing.plan import Candidate
from shared.config.schema import Provider, Timeouts
from shared.contracts import Endpoint
from tests.dialects.test_openai_request import a_job

QUESTION = {"role": "user", "content": "Well?"}
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "Rain."}


def a_tool(name: str = "f", **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, **more}}


def encoded(
    body: dict[str, Any],
    *,
    streamed: bool = True,
    resume: str | None = None,
    endpoint: Endpoint = Endpoint.CHAT,
    **section: Any,
) -> HttpCall | Unsupported:
    provider = {"dialect": "cohere", "base_url": "https://cohere.test/v2", "api_key": "co-key\n", **section}
    candidate = Candidate("c/m", "c", "command-a-03-2025", "command", Timeouts())
    job = a_job(body, streamed=streamed).model_copy(update={"endpoint": endpoint})
    if endpoint is Endpoint.EMBEDDINGS:
        job.body.pop("messages")
    return Cohere().encode(job, candidate, Provider.model_validate(provider), resume)


def sent(body: dict[str, Any], **call: Any) -> dict[str, Any]:
    found = encoded(body, **call)
    assert isinstance(found, HttpCall), found
    parsed: dict[str, Any] = orjson.loads(found.body)
    return parsed


def lacking(body: dict[str, Any], **call: Any) -> str:
    found = encoded(body, **call)
    assert isinstance(found, Unsupported), "it was sent"
    return found.param


def test_it_chats_as_the_account() -> None:
    call = encoded({}, headers={"X-Client-Name": "blue"})
    assert isinstance(call, HttpCall)
    assert call.url == "https://cohere.test/v2/chat"
    assert call.headers["authorization"] == "Bearer co-key"
    assert call.headers["x-client-name"] == "blue"
    assert "co-key" not in repr(call)


@pytest.mark.parametrize("streamed", [True, False])
def test_a_plain_question_says_nothing_else(streamed: bool) -> None:
    body = {"messages": [QUESTION], "n": 1, "stop": [], "user": "u", "metadata": {"a": "b"}}
    assert sent(body, streamed=streamed) == {
        "model": "command-a-03-2025",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Well?"}]}],
        "stream": streamed,
    }


def test_instructions_stay_where_they_are() -> None:
    messages = [QUESTION, {"role": "developer", "content": "Be brief."}]
    assert sent({"messages": messages})["messages"][1] == {
        "role": "system",
        "content": [{"type": "text", "text": "Be brief."}],
    }


def test_text_beside_calls_is_their_plan() -> None:
    reply = {"role": "assistant", "content": "I will look.", "tool_calls": [{**CALL, "index": 0}]}
    _, called, result = sent({"messages": [QUESTION, reply, RESULT]})["messages"]
    assert called == {"role": "assistant", "tool_plan": "I will look.", "tool_calls": [CALL]}
    assert result == {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "Rain."}]}


@pytest.mark.parametrize("calls", [{}, {"tool_calls": [CALL]}])
def test_its_own_thoughts_come_back_and_those_of_others_stay_here(calls: dict[str, Any]) -> None:
    own = {"type": "thinking", "thinking": "Hm."}
    blocks = [own, {"type": "thinking", "thinking": "Ah.", "signature": "EqQB"}, {"type": "thought_signature"}]
    reply = {"role": "assistant", "content": None, "thinking_blocks": blocks, "reasoning_content": "Hm.", **calls}
    assert sent({"messages": [QUESTION, reply, RESULT]})["messages"][1]["content"] == [own]


def test_what_an_answer_rested_on_is_no_part_of_the_conversation() -> None:
    reply = {"role": "assistant", "content": "Yes.", "citations": [{"start": 0, "end": 3, "text": "Yes"}]}
    assert sent({"messages": [reply, QUESTION]})["messages"][0] == {
        "role": "assistant",
        "content": [{"type": "text", "text": "Yes."}],
    }


def test_an_answer_is_gone_on_with_behind_its_text() -> None:
    assert sent({}, resume="A sluice is")["messages"][-1] == {"role": "assistant", "content": "A sluice is"}


def test_how_closely_to_look_is_said_as_it_was() -> None:
    image = {"url": "https://p.test/cat", "detail": "low"}
    body = {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": image}]}]}
    assert sent(body)["messages"][0]["content"] == [{"type": "image_url", "image_url": image}]


@pytest.mark.parametrize(
    ("message", "param"),
    [
        (
            {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "A", "format": "wav"}}]},
            "messages[0].content[0]",
        ),
        ({"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}, "messages[0].content[0]"),
        (
            {**RESULT, "content": [{"type": "image_url", "image_url": {"url": "https://p.test/cat"}}]},
            "messages[0].content[0]",
        ),
        ({"role": "user", "content": "Hi", "name": "Ann"}, "messages[0].name"),
    ],
)
def test_what_cannot_be_shown_is_told(message: dict[str, Any], param: str) -> None:
    assert lacking({"messages": [message]}) == param


def test_sampling_is_said_in_coheres_words() -> None:
    wanted = {
        "max_completion_tokens": 9,
        "temperature": 0,
        "top_p": 0.5,
        "top_k": 40,
        "stop": "x",
        "seed": 7,
        "frequency_penalty": 0.5,
        "presence_penalty": 1,
        "logprobs": True,
    }
    said = sent(wanted)
    assert {name: said[name] for name in said if name not in ("model", "messages", "stream")} == {
        "max_tokens": 9,
        "temperature": 0,
        "p": 0.5,
        "k": 40,
        "stop_sequences": ["x"],
        "seed": 7,
        "frequency_penalty": 0.5,
        "presence_penalty": 1,
        "logprobs": True,
    }


def test_all_of_the_probability_is_what_comes_next_to_it() -> None:
    assert sent({"top_p": 1})["p"] == 0.99
    assert lacking({"top_p": 0}) == "top_p"


@pytest.mark.parametrize(
    ("effort", "thinking"),
    [
        ("none", {"type": "disabled"}),
        ("low", {"type": "enabled", "token_budget": 1024}),
        ("high", {"type": "enabled"}),
    ],
)
def test_an_effort_is_a_budget(effort: str, thinking: dict[str, object]) -> None:
    assert sent({"reasoning_effort": effort})["thinking"] == thinking


def test_what_is_coheres_own_goes_through() -> None:
    own = {
        "documents": ["Sluices are gates."],
        "citation_options": {"mode": "FAST"},
        "safety_mode": "STRICT",
        "priority": 3,
        "thinking": {"type": "enabled", "token_budget": 7},
    }
    said = sent(own)
    assert {name: said[name] for name in own} == own
    assert lacking({"thinking": {}, "reasoning_effort": "low"}) == "reasoning_effort"


@pytest.mark.parametrize(("choice", "said"), [(None, None), ("auto", None), ("none", "NONE"), ("required", "REQUIRED")])
def test_a_choice_of_tools_is_said_in_capitals(choice: str | None, said: str | None) -> None:
    body = sent({"tools": [a_tool(description="It is f.")], "tool_choice": choice})
    assert body.get("tool_choice") == said
    assert body["tools"] == [a_tool(description="It is f.", parameters={"type": "object", "properties": {}})]


def test_a_tool_is_forced_by_being_the_only_one() -> None:
    named = {"type": "function", "function": {"name": "g"}}
    body = sent({"tools": [a_tool("f"), a_tool("g")], "tool_choice": named})
    assert [tool["function"]["name"] for tool in body["tools"]] == ["g"]
    assert body["tool_choice"] == "REQUIRED"
    assert lacking({"tools": [a_tool("f")], "tool_choice": named}) == "tool_choice"


def test_all_tools_are_strict_or_none() -> None:
    assert sent({"tools": [a_tool("f", strict=True), a_tool("g", strict=True)]})["strict_tools"] is True
    assert "strict_tools" not in sent({"tools": [a_tool("f", strict=False)]})
    assert lacking({"tools": [a_tool("f", strict=True), a_tool("g")]}) == "tools"


def test_the_form_of_an_answer_is_json_or_a_schema() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    asked = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema, "description": "One a."}}
    assert sent({"response_format": {"type": "json_object"}})["response_format"] == {"type": "json_object"}
    assert sent({"response_format": asked})["response_format"] == {
        "type": "json_object",
        "json_schema": {"description": "One a.", **schema},
    }
    assert lacking({"response_format": asked, "tools": [a_tool()]}) == "response_format"


@pytest.mark.parametrize(
    "body",
    [
        {"n": 2},
        {"parallel_tool_calls": False},
        {"logit_bias": {"1": 2}},
        {"top_logprobs": 2},
        {"frequency_penalty": -1},
        {"reasoning_effort": "xhigh"},
    ],
)
def test_what_there_are_no_words_for_is_told(body: dict[str, Any]) -> None:
    assert lacking(body) == next(iter(body))
    assert sent(body, drop=tuple(body))


def test_texts_are_embedded_as_documents_and_whole_unless_the_caller_says_otherwise() -> None:
    body = sent({"input": ["a", "b"]}, endpoint=Endpoint.EMBEDDINGS)
    assert body == {
        "model": "command-a-03-2025",
        "texts": ["a", "b"],
        "embedding_types": ["float"],
        "input_type": "search_document",
        "truncate": "NONE",
    }
    said = {"input": "a", "input_type": "search_query", "truncate": "END", "dimensions": 256}
    assert sent(said, endpoint=Endpoint.EMBEDDINGS) == {
        **body,
        "texts": ["a"],
        "input_type": "search_query",
        "truncate": "END",
        "output_dimension": 256,
    }


def test_more_texts_than_a_call_takes_are_told() -> None:
    assert lacking({"input": ["a"] * 97}, endpoint=Endpoint.EMBEDDINGS) == "input"
