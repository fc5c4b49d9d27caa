"""What is sent to Gemini: the caller's request in its words, or what of it there are no words for."""

from typing import Final
from urllib.parse import quote

from pydantic import JsonValue

from services.router_worker.providers.chat import (
    Chat,
    JsonAnything,
    JsonBySchema,
    NamedTool,
    Tool,
    lack,
    read_chat,
)
from services.router_worker.providers.dialect import HttpCall, asked, to_json
from services.router_worker.providers.dialects.gemini.generations import Generation, generation_of
from services.router_worker.providers.dialects.gemini.messages import conversation
from services.router_worker.routing.plan import Candidate
from shared.config.schema import Provider
from shared.contracts import Job, JsonObject

__all__ = ["FAMILY", "calling", "generating"]

FAMILY: Final = "Gemini"

_HONOURS: Final = frozenset(
    {
        "cached_content",
        "frequency_penalty",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "messages.images",
        "n",
        "presence_penalty",
        "reasoning_effort",
        "response_format",
        "safety_settings",
        "seed",
        "stop",
        "temperature",
        "thinking_config",
        "tool_choice",
        "tools",
        "top_k",
        "top_logprobs",
        "top_p",
    }
)
"""Gemini's own are `cached_content`, `safety_settings`, `thinking_config`, `top_k`."""


def generating(job: Job, candidate: Candidate, provider: Provider, resume_text: str | None) -> JsonObject:
    """The body of `generateContent`. Raises UnsupportedError."""
    chat = read_chat(asked(job.body, provider), FAMILY, _HONOURS)
    generation = generation_of(candidate.model)
    system, contents = conversation(chat.messages, generation, resume_text)
    body: JsonObject = {"contents": contents, **_tools(chat)}
    if system:
        body["systemInstruction"] = {"parts": system}
    for name, theirs in (("safety_settings", "safetySettings"), ("cached_content", "cachedContent")):
        if chat.extras.get(name) is not None:
            body[theirs] = chat.extras[name]
    config: JsonObject = {**_sampling(chat), **_form(chat), **_thinking(chat, generation)}
    return {**body, "generationConfig": config} if config else body


def calling(provider: Provider, path: str, method: str, body: JsonObject) -> HttpCall:
    """The call of a method of what lies at `path` below the base URL."""
    streamed = method == "streamGenerateContent"
    # Without `alt=sse` the stream is one long JSON list.
    url = f"{str(provider.base_url).rstrip('/')}/{quote(path)}:{method}" + ("?alt=sse" if streamed else "")
    headers = {
        "accept": "text/event-stream" if streamed else "application/json",
        "content-type": "application/json",
    }
    if provider.api_key is not None:
        headers["x-goog-api-key"] = provider.api_key.get_secret_value().strip()
    headers |= {name.lower(): value.get_secret_value() for name, value in provider.headers.items()}
    return HttpCall(url, headers, to_json(body))


def _sampling(chat: Chat) -> JsonObject:
    wanted: JsonObject = {
        "maxOutputTokens": chat.most_output,
        "temperature": chat.temperature,
        "topP": chat.top_p,
        "topK": chat.extras.get("top_k"),
        "candidateCount": chat.n if chat.n > 1 else None,
        "stopSequences": list(chat.stop) or None,
        "seed": chat.seed,
        "frequencyPenalty": chat.frequency_penalty,
        "presencePenalty": chat.presence_penalty,
        "responseLogprobs": chat.logprobs or None,
        "logprobs": chat.top_logprobs or None,
    }
    return {name: value for name, value in wanted.items() if value is not None}


def _form(chat: Chat) -> JsonObject:
    match chat.response_format:
        case JsonAnything():
            return {"responseMimeType": "application/json"}
        case JsonBySchema(json_schema=wanted):
            schema = wanted.schema_
            if wanted.description:
                schema = {"description": wanted.description, **schema}
            return {"responseMimeType": "application/json", "responseJsonSchema": schema}
        case _:
            return {}


def _thinking(chat: Chat, generation: Generation) -> JsonObject:
    own, effort = chat.extras.get("thinking_config"), chat.reasoning_effort
    if own is not None and effort is not None:
        lack("reasoning_effort", "cannot stand beside `thinking_config`")
    config = own if effort is None else generation.thinking(effort)
    return {} if config is None else {"thinkingConfig": config}


def _tools(chat: Chat) -> JsonObject:
    if not chat.tools:
        return {}
    declared: list[JsonValue] = [_declaration(tool) for tool in chat.tools]
    calling_config = _calling_config(chat)
    said: JsonObject = {"tools": [{"functionDeclarations": declared}]}
    return {**said, "toolConfig": {"functionCallingConfig": calling_config}} if calling_config else said


def _declaration(tool: Tool) -> JsonObject:
    function = tool.function
    said: JsonObject = {"name": function.name}
    if function.description:
        said["description"] = function.description
    if function.parameters:
        said["parametersJsonSchema"] = function.parameters
    return said


def _calling_config(chat: Chat) -> JsonObject:
    """A call that must happen keeps to its schema; one that may happen does where the caller says `strict`."""
    match chat.tool_choice:
        case NamedTool() as named:
            return {"mode": "ANY", "allowedFunctionNames": [named.function.name]}
        case "required":
            return {"mode": "ANY"}
        case "none":
            return {"mode": "NONE"}
        case _ if any(tool.function.strict for tool in chat.tools):
            return {"mode": "VALIDATED"}
        case _:
            return {}
