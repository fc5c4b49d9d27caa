"""How servers that are nearly OpenAI are asked, and what they refuse."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from services.router_worker.events import Answered, Finished
from services.router_worker.failures import FailureKind, Unsupported
from services.router_worker.providers.dialect import HttpCall
from services.router_worker.providers.dialects.openai import OpenAI
from services.router_worker.providers.registry import DIALECTS
from shared.config.quirks import QUIRKS
from shared.config.schema import Provider
from tests.dialects.recorded import ENVELOPE
from tests.dialects.test_openai_request import CANDIDATE, a_job

PICTURE = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://pictures.test/cat.png"}}]}
THOUGHT = {"role": "assistant", "content": "Hi", "reasoning_content": "Hm.", "thinking_blocks": [{"type": "thinking"}]}


def encoded(server: str, body: dict[str, Any], resume: str | None = None, **section: Any) -> HttpCall | Unsupported:
    provider = Provider.model_validate({"dialect": server, "base_url": "http://p.test", "api_key": "k", **section})
    return DIALECTS[server].encode(a_job(body), CANDIDATE, provider, resume)


def sent(server: str, body: dict[str, Any], resume: str | None = None, **section: Any) -> dict[str, Any]:
    call = encoded(server, body, resume, **section)
    assert isinstance(call, HttpCall), call
    parsed: dict[str, Any] = orjson.loads(call.body)
    return parsed


@pytest.mark.parametrize(
    ("server", "body"),
    [
        ("groq", {"logprobs": True}),
        ("groq", {"n": 2}),
        ("groq", {"messages": [{"role": "user", "content": "Hi", "name": "Ann"}]}),
        ("deepseek", {"seed": 7}),
        ("deepseek", {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}}}),
        ("deepseek", {"messages": [PICTURE]}),
        ("ollama", {"logit_bias": {"5": 1}}),
        ("xai", {"logit_bias": {"5": 1}}),
        ("together", {"logprobs": True}),
        ("mistral", {"logit_bias": {"5": 1}}),
    ],
)
def test_what_a_server_does_not_heed_is_told_and_not_sent(server: str, body: dict[str, Any]) -> None:
    assert isinstance(encoded(server, body), Unsupported)
    assert isinstance(encoded("openai", body), HttpCall)


@pytest.mark.parametrize("server", QUIRKS)
def test_values_that_ask_for_nothing_are_refused_by_nobody(server: str) -> None:
    sent(server, {"n": 1, "logprobs": False, "logit_bias": {}, "seed": None, "parallel_tool_calls": True})


def test_a_picture_by_url_is_not_sent_to_a_server_that_fetches_none() -> None:
    lacking = encoded("vllm", {"messages": [PICTURE]}, quirks={"image_urls": False})
    assert isinstance(lacking, Unsupported)
    assert lacking.param == "messages[0].content[0]"


def test_a_limit_goes_by_the_servers_name_for_it() -> None:
    assert sent("ollama", {"max_completion_tokens": 9})["max_tokens"] == 9
    assert "max_completion_tokens" not in sent("ollama", {"max_completion_tokens": 9})
    assert sent("groq", {"max_completion_tokens": 9})["max_completion_tokens"] == 9
    assert sent("mistral", {"seed": 7})["random_seed"] == 7


def test_for_whom_it_answers_is_told_only_to_a_server_that_wants_to_know() -> None:
    assert sent("groq", {"user": "u-1"})["user"] == "u-1"
    assert "user" not in sent("mistral", {"user": "u-1"})


def test_usage_is_asked_for_where_the_server_knows_how() -> None:
    assert sent("groq", {})["stream_options"] == {"include_usage": True}
    assert "stream_options" not in sent("fireworks", {})


def test_thoughts_go_back_only_to_servers_that_want_them() -> None:
    messages = [{"role": "user", "content": "Hi"}, THOUGHT]
    assert sent("openai", {"messages": messages})["messages"][1] == {"role": "assistant", "content": "Hi"}
    assert sent("deepseek", {"messages": messages})["messages"][1]["reasoning_content"] == "Hm."
    assert sent("openrouter", {"messages": messages})["messages"][1]["reasoning"] == "Hm."


def test_a_server_goes_on_behind_a_text_as_it_wants_to_be_asked() -> None:
    body = sent("vllm", {}, "It was")
    assert body["messages"][-1] == {"role": "assistant", "content": "It was"}
    assert (body["continue_final_message"], body["add_generation_prompt"]) == (True, False)
    assert sent("mistral", {}, "It was")["messages"][-1]["prefix"] is True


def test_what_the_file_says_goes_before_what_is_known() -> None:
    assert sent("groq", {"n": 2}, quirks={"refuses": []})["n"] == 2
    assert encoded("groq", {"n": 2}, quirks={"prefill": True}) == Unsupported("n", "is not heeded by this server")


def test_calls_from_elsewhere_are_named_as_the_server_wants_and_keep_their_results() -> None:
    call = {"id": "call_from_elsewhere", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "assistant", "tool_calls": [call, {**call, "id": "D681PevKs"}]},
        {"role": "tool", "tool_call_id": "call_from_elsewhere", "content": "1"},
        {"role": "tool", "tool_call_id": "D681PevKs", "content": "2"},
    ]
    used, *results = sent("mistral", {"messages": messages})["messages"]
    first, second = (call["id"] for call in used["tool_calls"])
    assert len(first) == 9
    assert first.isalnum()
    assert second == "D681PevKs"
    assert [result["tool_call_id"] for result in results] == [first, second]


def test_thoughts_inside_of_a_content_are_told_apart_in_whole_answers_too() -> None:
    content = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
        {"type": "text", "text": "Paris"},
    ]
    choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "model_length"}
    decoder = DIALECTS["mistral"].decoder(replace(ENVELOPE, streamed=False, quirks=QUIRKS["mistral"]))
    decoder.feed(orjson.dumps({"model": "magistral", "choices": [choice]}))
    answered, ending = decoder.close()
    assert isinstance(answered, Answered)
    (told,) = answered.response["choices"]
    assert told["message"] == {"role": "assistant", "content": "Paris", "reasoning_content": "Hm."}
    assert ending == Finished("length", "magistral")


def test_a_key_may_stand_in_a_header_of_its_own() -> None:
    call = encoded("openai", {}, quirks={"key_header": "X-Api-Key"})
    assert isinstance(call, HttpCall)
    assert call.headers["x-api-key"] == "k"
    assert "authorization" not in call.headers


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"detail": [{"loc": ["body", "n"], "msg": "Input should be 1"}]}, "body.n: Input should be 1"),
        ({"object": "error", "message": {"detail": [{"loc": ["body"], "msg": "Extra inputs"}]}}, "body: Extra inputs"),
        ({"object": "error", "message": "Invalid model", "type": "invalid_model", "code": "1500"}, "Invalid model"),
        ({"code": "Client specified an invalid argument", "error": "Model not found: x"}, "Model not found: x"),
        ({"error": {"code": 400, "message": "No endpoints found", "metadata": {}}}, "No endpoints found"),
    ],
)
def test_a_refusal_is_read_in_whatever_shape_it_comes(body: object, message: str) -> None:
    failure = OpenAI().failure(400, {}, orjson.dumps(body))
    assert failure.kind is FailureKind.BAD_REQUEST
    assert failure.message == message


def test_the_signature_of_a_geminis_call_goes_back_to_google_alone() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    signed = {**call, "extra_content": {"google": {"thought_signature": "c2ln"}}}
    body = {"messages": [{"role": "assistant", "content": None, "tool_calls": [signed, call]}]}
    assert sent("openai", body)["messages"][0]["tool_calls"] == [call, call]
    kept = sent("openai", body, quirks={"takes_extra_content": True})
    assert kept["messages"][0]["tool_calls"] == [signed, call]
