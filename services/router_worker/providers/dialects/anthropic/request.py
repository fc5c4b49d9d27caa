"""What is sent to Anthropic: the caller's request in its words, or what of it there are no words for."""

from typing import Final

from services.router_worker.failures import Unsupported
from services.router_worker.providers.chat import (
    Chat,
    JsonAnything,
    JsonBySchema,
    NamedTool,
    Tool,
    UnsupportedError,
    in_blocks,
    lack,
    read_chat,
)
from services.router_worker.providers.dialect import HttpCall, asked, to_json
from services.router_worker.providers.dialects.anthropic.blocks import ClaudeBlocks, marked
from services.router_worker.providers.dialects.anthropic.models import Claude, claude_of
from services.router_worker.providers.dialects.anthropic.thinking import thinking
from services.router_worker.routing.plan import Candidate
from shared import catalog
from shared.config.schema import Provider
from shared.contracts import Endpoint, Job, JsonObject

__all__ = ["encode"]

_FAMILY: Final = "Anthropic"
_VERSION: Final = "2023-06-01"
"""Not the latest, which takes less of what callers say: `api_version` in the provider's section names another one."""
_MOST_OUTPUT: Final = 32_000
"""`max_tokens` must be said. Where neither caller nor catalogue does, this is what every Claude since 4 can give."""

_HONOURS: Final = frozenset(
    {
        "max_completion_tokens",
        "max_tokens",
        "parallel_tool_calls",
        "reasoning_effort",
        "response_format",
        "safety_identifier",
        "stop",
        "temperature",
        "thinking",
        "tool_choice",
        "tools",
        "top_k",
        "top_p",
        "user",
    }
)
"""`thinking` and `top_k` are Anthropic's own."""


def encode(job: Job, candidate: Candidate, provider: Provider, resume_text: str | None) -> HttpCall | Unsupported:
    try:
        if job.endpoint is not Endpoint.CHAT:
            lack("input", f"cannot be embedded by {_FAMILY}")
        chat = read_chat(asked(job.body, provider), _FAMILY, _HONOURS)
        claude = claude_of(candidate.model, provider.api_version or _VERSION)
        body = _body(chat, candidate.model, claude, resume_text)
    except UnsupportedError as lacking:
        return lacking.what
    if job.streamed:
        body["stream"] = True
    return HttpCall(
        url=str(provider.base_url).rstrip("/") + "/messages",
        headers=_headers(provider, streamed=job.streamed),
        body=to_json(body),
    )


def _body(chat: Chat, model: str, claude: Claude, resume_text: str | None) -> JsonObject:
    system, messages = in_blocks(chat.messages, ClaudeBlocks(), resume_text, prefill=claude.prefill)
    most = chat.most_output or catalog.find(model).max_output_tokens or _MOST_OUTPUT
    body: JsonObject = {"model": model, "max_tokens": most, "messages": messages}
    if system:
        body["system"] = system
    if chat.stop:
        body["stop_sequences"] = list(chat.stop)
    if who := chat.user or chat.extras.get("safety_identifier"):
        body["metadata"] = {"user_id": who}
    return {**body, **_sampling(chat, claude), **_tools(chat), **thinking(chat, claude, most, _form(chat, claude))}


def _sampling(chat: Chat, claude: Claude) -> JsonObject:
    wanted: JsonObject = {"temperature": chat.temperature, "top_p": chat.top_p, "top_k": chat.extras.get("top_k")}
    said: JsonObject = {name: value for name, value in wanted.items() if value is not None}
    if not claude.samples:
        said = {name: value for name, value in said.items() if name == "top_k" or value != 1}
        for name in said:
            lack(name, "is not heeded by this Claude")
    if chat.temperature is not None and chat.temperature > 1:
        lack("temperature", f"goes up to 1 at {_FAMILY}")
    if not claude.samples_by_both and {"temperature", "top_p"} <= said.keys():
        lack("top_p", "cannot stand beside `temperature` with this Claude")
    return said


def _tools(chat: Chat) -> JsonObject:
    if not chat.tools:
        return {}
    return {"tools": [_tool(tool) for tool in chat.tools], **_tool_choice(chat)}


def _tool(tool: Tool) -> JsonObject:
    function = tool.function
    said: JsonObject = {
        "name": function.name,
        "input_schema": {"type": "object", **function.parameters},
    }
    if function.description:
        said["description"] = function.description
    if function.strict:
        said["strict"] = True
    return marked(said, tool.cache_control)


def _tool_choice(chat: Chat) -> JsonObject:
    choice: JsonObject
    match chat.tool_choice:
        case NamedTool() as named:
            choice = {"type": "tool", "name": named.function.name}
        case "none":
            return {"tool_choice": {"type": "none"}}
        case "required":
            choice = {"type": "any"}
        case _ if chat.parallel_tool_calls and chat.tool_choice is None:
            return {}
        case _:
            choice = {"type": "auto"}
    if not chat.parallel_tool_calls:
        choice["disable_parallel_tool_use"] = True
    return {"tool_choice": choice}


def _form(chat: Chat, claude: Claude) -> JsonObject:
    """The part of `output_config` that says which form the answer has."""
    form = chat.response_format
    if isinstance(form, JsonAnything):
        lack("response_format", f"has to be a JSON Schema for {_FAMILY}, which knows no JSON at large")
    if not isinstance(form, JsonBySchema):
        return {}
    if not claude.schemas:
        lack("response_format", "cannot be a JSON Schema with this Claude")
    return {"format": {"type": "json_schema", "schema": form.json_schema.schema_}}


def _headers(provider: Provider, *, streamed: bool) -> dict[str, str]:
    headers = {
        "accept": "text/event-stream" if streamed else "application/json",
        "anthropic-version": provider.api_version or _VERSION,
        "content-type": "application/json",
    }
    if provider.api_key is not None:
        headers["x-api-key"] = provider.api_key.get_secret_value().strip()
    return headers | {name.lower(): value.get_secret_value() for name, value in provider.headers.items()}
