"""What is sent to Cohere: the caller's request in its words, or what of it there are no words for.

docs.cohere.com/reference/chat.
"""

from collections.abc import Mapping
from typing import Final

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
from services.router_worker.providers.dialects.cohere.messages import conversation
from services.router_worker.routing.plan import Candidate
from shared.config.schema import Provider
from shared.contracts import Job, JsonObject

__all__ = ["FAMILY", "calling", "chatting"]

FAMILY: Final = "Cohere"

_OWN: Final = ("citation_options", "documents", "priority", "safety_mode")

_HONOURS: Final = frozenset(
    {
        *_OWN,
        "frequency_penalty",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "presence_penalty",
        "reasoning_effort",
        "response_format",
        "seed",
        "stop",
        "temperature",
        "thinking",
        "tool_choice",
        "tools",
        "top_k",
        "top_p",
    }
)
"""`thinking` and `top_k` are Cohere's own, too."""

_BUDGETS: Final[Mapping[str, int | None]] = {"minimal": 1_024, "low": 1_024, "medium": 8_192, "high": None}
"""Tokens. Without a budget the model thinks as long as it wants, as it does when nothing is said."""

_MOST_P: Final = 0.99


def chatting(job: Job, candidate: Candidate, provider: Provider, resume_text: str | None) -> JsonObject:
    """The body of `chat`. Raises UnsupportedError."""
    chat = read_chat(asked(job.body, provider), FAMILY, _HONOURS)
    body: JsonObject = {
        "model": candidate.model,
        "messages": conversation(chat.messages, resume_text),
        "stream": job.streamed,
    }
    own: JsonObject = {name: chat.extras[name] for name in _OWN if chat.extras.get(name) is not None}
    return {**body, **own, **_sampling(chat), **_tools(chat), **_form(chat), **_thinking(chat)}


def calling(provider: Provider, endpoint: str, body: JsonObject) -> HttpCall:
    headers = {
        "accept": "text/event-stream" if body.get("stream") else "application/json",
        "content-type": "application/json",
    }
    if provider.api_key is not None:
        headers["authorization"] = f"Bearer {provider.api_key.get_secret_value().strip()}"
    headers |= {name.lower(): value.get_secret_value() for name, value in provider.headers.items()}
    return HttpCall(f"{str(provider.base_url).rstrip('/')}/{endpoint}", headers, to_json(body))


def _sampling(chat: Chat) -> JsonObject:
    wanted: JsonObject = {
        "max_tokens": chat.most_output,
        "temperature": chat.temperature,
        "p": _p(chat.top_p),
        "k": chat.extras.get("top_k"),
        "stop_sequences": list(chat.stop) or None,
        "seed": chat.seed,
        "frequency_penalty": _penalty("frequency_penalty", chat.frequency_penalty),
        "presence_penalty": _penalty("presence_penalty", chat.presence_penalty),
        "logprobs": chat.logprobs or None,
    }
    return {name: value for name, value in wanted.items() if value is not None}


def _p(top_p: float | None) -> float | None:
    """All of the probability mass cannot be asked for; what comes next to it is what is meant."""
    if top_p is None or 0.01 <= top_p <= _MOST_P:
        return top_p
    if top_p != 1:
        lack("top_p", f"has to be between 0.01 and {_MOST_P} at {FAMILY}, or 1")
    return _MOST_P


def _penalty(name: str, penalty: float | None) -> float | None:
    if penalty is not None and not 0 <= penalty <= 1:
        lack(name, f"has to be between 0 and 1 at {FAMILY}")
    return penalty


def _tools(chat: Chat) -> JsonObject:
    """No tool can be forced by its name; but where it is the only one, forcing any is forcing it."""
    if not chat.tools:
        return {}
    choice, tools = chat.tool_choice, chat.tools
    if isinstance(choice, NamedTool):
        tools = tuple(tool for tool in tools if tool.function.name == choice.function.name)
        if not tools:
            lack("tool_choice", "names none of the tools")
        choice = "required"
    said: JsonObject = {"tools": [_tool(tool) for tool in tools]}
    if choice in ("required", "none"):
        said["tool_choice"] = choice.upper()
    return {**said, "strict_tools": True} if _are_strict(tools) else said


def _tool(tool: Tool) -> JsonObject:
    function = tool.function
    said: JsonObject = {
        "name": function.name,
        "parameters": {"type": "object", "properties": {}, **function.parameters},
    }
    if function.description:
        said["description"] = function.description
    return {"type": "function", "function": said}


def _are_strict(tools: tuple[Tool, ...]) -> bool:
    strict = {bool(tool.function.strict) for tool in tools}
    if len(strict) > 1:
        lack("tools", f"have to be `strict` all or none at {FAMILY}")
    return strict == {True}


def _form(chat: Chat) -> JsonObject:
    form: JsonObject
    match chat.response_format:
        case JsonAnything():
            form = {"type": "json_object"}
        case JsonBySchema(json_schema=wanted):
            schema = wanted.schema_
            if wanted.description:
                schema = {"description": wanted.description, **schema}
            form = {"type": "json_object", "json_schema": schema}
        case _:
            return {}
    if chat.tools:
        lack("response_format", f"cannot stand beside `tools` at {FAMILY}")
    return {"response_format": form}


def _thinking(chat: Chat) -> JsonObject:
    own, effort = chat.extras.get("thinking"), chat.reasoning_effort
    if own is not None:
        if effort is not None:
            lack("reasoning_effort", "cannot stand beside `thinking`")
        return {"thinking": own}
    if effort is None:
        return {}
    if effort == "none":
        return {"thinking": {"type": "disabled"}}
    if effort not in _BUDGETS:
        lack("reasoning_effort", f"is none of none, {', '.join(_BUDGETS)}")
    budget: JsonValue = _BUDGETS[effort]
    return {"thinking": {"type": "enabled", **({"token_budget": budget} if budget else {})}}
