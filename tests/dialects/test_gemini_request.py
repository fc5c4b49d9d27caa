"""What Gemini's dialect sends, and what it says it cannot."""

from typing import Any

import orjson
import pytest

from services.router_worker.failures import Unsupported
from services.router_worker.providers.dialect import HttpCall
from services.router_worker.providers.dialects.gemini import Gemini
from services.router_worker.routing.plan import Candidate
from shared.config.schema import Provider, Timeouts
from tests.dialects.test_openai_request import a_job

OLD, NEW = "gemini-2.5-flash", "gemini-3.1-pro-preview"
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}


def encoded(
    body: dict[str, Any], model: str = OLD, *, streamed: bool = True, resume: str | None = None, **section: Any
) -> HttpCall | Unsupported:
    provider = {"dialect": "gemini", "base_url": "https://google.test/v1beta", "api_key": "AIza-key\n", **section}
    candidate = Candidate("g/m", "g", model, "gemini", Timeouts())
    return Gemini().encode(a_job(body, streamed=streamed), candidate, Provider.model_validate(provider), resume)


def sent(body: dict[str, Any], model: str = OLD, **call: Any) -> dict[str, Any]:
    found = encoded(body, model, **call)
    assert isinstance(found, HttpCall), found
    parsed: dict[str, Any] = orjson.loads(found.body)
    return parsed


def configured(body: dict[str, Any], model: str = OLD) -> dict[str, Any]:
    config: dict[str, Any] = sent(body, model).get("generationConfig", {})
    return config


def lacking(body: dict[str, Any], model: str = OLD, **call: Any) -> str:
    found = encoded(body, model, **call)
    assert isinstance(found, Unsupported), "it was sent"
    return found.param


def test_a_stream_and_a_whole_answer_are_methods_of_the_model() -> None:
    stream, whole = encoded({}), encoded({}, streamed=False)
    assert isinstance(stream, HttpCall)
    assert isinstance(whole, HttpCall)
    assert stream.url == "https://google.test/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
    assert whole.url == "https://google.test/v1beta/models/gemini-2.5-flash:generateContent"
    assert stream.headers["x-goog-api-key"] == "AIza-key"
    assert "authorization" not in stream.headers
    assert "AIza-key" not in repr(stream)


def test_a_tuned_model_lies_in_another_collection() -> None:
    call = encoded({}, "tunedModels/my-own")
    assert isinstance(call, HttpCall)
    assert call.url.startswith("https://google.test/v1beta/tunedModels/my-own:")


def test_headers_of_the_section_are_sent() -> None:
    call = encoded({}, headers={"X-Goog-User-Project": "blue"})
    assert isinstance(call, HttpCall)
    assert call.headers["x-goog-user-project"] == "blue"


def test_a_plain_question_says_nothing_else() -> None:
    body = {"messages": [{"role": "user", "content": "Well?"}], "n": 1, "stop": [], "user": "u", "metadata": {"a": "b"}}
    assert sent(body) == {"contents": [{"role": "user", "parts": [{"text": "Well?"}]}]}


def test_sampling_is_said_in_geminis_words() -> None:
    wanted = {
        "max_completion_tokens": 9,
        "temperature": 0,
        "top_p": 0.5,
        "top_k": 40,
        "n": 2,
        "stop": "x",
        "seed": 7,
        "frequency_penalty": 0.1,
        "presence_penalty": 0.2,
        "logprobs": True,
        "top_logprobs": 3,
    }
    assert configured(wanted) == {
        "maxOutputTokens": 9,
        "temperature": 0,
        "topP": 0.5,
        "topK": 40,
        "candidateCount": 2,
        "stopSequences": ["x"],
        "seed": 7,
        "frequencyPenalty": 0.1,
        "presencePenalty": 0.2,
        "responseLogprobs": True,
        "logprobs": 3,
    }


@pytest.mark.parametrize(
    ("effort", "model", "config"),
    [
        ("none", OLD, {"thinkingBudget": 0, "includeThoughts": False}),
        ("low", OLD, {"thinkingBudget": 1024, "includeThoughts": True}),
        ("high", OLD, {"thinkingBudget": 24576, "includeThoughts": True}),
        ("medium", NEW, {"thinkingLevel": "MEDIUM", "includeThoughts": True}),
        ("minimal", "models/gemini-4-argon", {"thinkingLevel": "MINIMAL", "includeThoughts": True}),
        ("high", "my-own-name", {"thinkingLevel": "HIGH", "includeThoughts": True}),
    ],
)
def test_an_effort_is_said_as_the_generation_wants_it(effort: str, model: str, config: dict[str, object]) -> None:
    assert configured({"reasoning_effort": effort}, model) == {"thinkingConfig": config}


@pytest.mark.parametrize(
    ("effort", "model"),
    [
        ("low", "gemini-2.0-flash"),
        ("none", "gemini-2.5-pro"),
        ("none", NEW),
        ("xhigh", OLD),
        ("all", NEW),
    ],
)
def test_an_effort_that_a_model_does_not_know_is_told(effort: str, model: str) -> None:
    assert lacking({"reasoning_effort": effort}, model) == "reasoning_effort"


def test_what_is_geminis_own_goes_through() -> None:
    safety = [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]
    body = sent({"safety_settings": safety, "cached_content": "cachedContents/1", "thinking_config": {"a": 1}})
    assert body["safetySettings"] == safety
    assert body["cachedContent"] == "cachedContents/1"
    assert body["generationConfig"] == {"thinkingConfig": {"a": 1}}
    assert lacking({"thinking_config": {}, "reasoning_effort": "low"}) == "reasoning_effort"


@pytest.mark.parametrize(
    ("choice", "strict", "config"),
    [
        (None, False, None),
        (None, True, {"mode": "VALIDATED"}),
        ("none", True, {"mode": "NONE"}),
        ("required", False, {"mode": "ANY"}),
        (
            {"type": "function", "function": {"name": "f"}},
            False,
            {"mode": "ANY", "allowedFunctionNames": ["f"]},
        ),
    ],
)
def test_a_choice_of_tools_is_a_mode(choice: object, strict: bool, config: dict[str, Any] | None) -> None:
    tool = {**TOOL, "function": {**TOOL["function"], "strict": strict}}
    body = sent({"tools": [tool], "tool_choice": choice})
    assert body.get("toolConfig") == (config and {"functionCallingConfig": config})
    (declared,) = body["tools"][0]["functionDeclarations"]
    assert declared == {"name": "f", "parametersJsonSchema": {"type": "object", "properties": {}}}


def test_the_form_of_an_answer_is_json_or_a_schema() -> None:
    anything = configured({"response_format": {"type": "json_object"}})
    schema = {"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"type": "string"}}}
    named = {"name": "n", "schema": schema, "description": "One a."}
    strict = configured({"response_format": {"type": "json_schema", "json_schema": named}})
    assert anything == {"responseMimeType": "application/json"}
    assert strict["responseJsonSchema"] == {"description": "One a.", **schema}


@pytest.mark.parametrize(
    "body",
    [
        {"parallel_tool_calls": False},
        {"logit_bias": {"1": 2}},
        {"service_tier": "flex"},
        {"modalities": ["text", "audio"]},
        {"web_search_options": {}},
    ],
)
def test_what_there_are_no_words_for_is_told(body: dict[str, Any]) -> None:
    assert lacking(body) == next(iter(body))
    assert sent(body, drop=tuple(body))
