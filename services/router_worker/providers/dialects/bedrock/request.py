"""What is sent to Bedrock: the caller's request in Converse's words, or what of it there are no words for."""

from typing import Final
from urllib.parse import quote

from pydantic import JsonValue

from services.router_worker.providers.chat import (
    Assistant,
    Chat,
    JsonAnything,
    JsonBySchema,
    NamedTool,
    Tool,
    ToolResult,
    in_blocks,
    lack,
    read_chat,
)
from services.router_worker.providers.dialect import HttpCall, asked, to_json
from services.router_worker.providers.dialects.anthropic.models import Claude, claude_of
from services.router_worker.providers.dialects.bedrock.blocks import ConverseBlocks, cache_point
from services.router_worker.providers.dialects.bedrock.framing import is_installed
from services.router_worker.providers.dialects.bedrock.reasoning import reasoning
from services.router_worker.routing.plan import Candidate
from shared import catalog
from shared.config.schema import Provider
from shared.contracts import Endpoint, Job, JsonObject

__all__ = ["calling"]

_FAMILY: Final = "Bedrock"
_CLAUDES_API: Final = "2023-06-01"
"""Which version of its API a Claude speaks here."""
_MOST_OUTPUT: Final = 32_000
"""What a budget for thoughts is measured by where nobody says it; Bedrock itself takes the model's maximum then."""

_IN_PATHS: Final = "!$&'()*+,;=:@"
"""What may stand in a path as it is: if it were encoded, HTTP clients would undo it, and no signature would hold.

The slashes in an ARN are encoded, its colons are not.
"""

_OWN: Final = ("additionalModelRequestFields", "guardrailConfig")
"""Bedrock's own parameters, for callers who know whom they talk to."""

_HONOURS: Final = frozenset(
    {
        "max_completion_tokens",
        "max_tokens",
        "reasoning_effort",
        "response_format",
        "stop",
        "temperature",
        "thinking",
        "tool_choice",
        "tools",
        "top_p",
        *_OWN,
    }
)


def calling(job: Job, candidate: Candidate, provider: Provider, resume_text: str | None) -> HttpCall:
    """Raises UnsupportedError."""
    if job.endpoint is not Endpoint.CHAT:
        lack("input", "cannot be embedded by Converse")
    if job.streamed and not is_installed():
        lack("stream", "needs botocore: install `sluice[bedrock]`")
    chat = read_chat(asked(job.body, provider), _FAMILY, _HONOURS)
    method = "converse-stream" if job.streamed else "converse"
    url = f"{str(provider.base_url).rstrip('/')}/model/{quote(candidate.model, safe=_IN_PATHS)}/{method}"
    return HttpCall(url, _headers(provider, streamed=job.streamed), to_json(_body(chat, candidate.model, resume_text)))


def _headers(provider: Provider, *, streamed: bool) -> dict[str, str]:
    headers = {
        "accept": "application/vnd.amazon.eventstream" if streamed else "application/json",
        "content-type": "application/json",
    }
    if provider.auth == "key" and provider.api_key is not None:
        headers["authorization"] = f"Bearer {provider.api_key.get_secret_value().strip()}"
    return headers | {name.lower(): value.get_secret_value() for name, value in provider.headers.items()}


def _body(chat: Chat, model: str, resume_text: str | None) -> JsonObject:
    claude = claude_of(model, _CLAUDES_API)
    system, messages = in_blocks(chat.messages, ConverseBlocks(), resume_text, prefill=claude.prefill)
    thought = reasoning(chat, model, claude, chat.most_output or catalog.find(model).max_output_tokens or _MOST_OUTPUT)
    own = {name: _object(name, value) for name in _OWN if (value := chat.extras.get(name)) is not None}
    fields = {**own.pop("additionalModelRequestFields", {}), **thought.fields}
    said: JsonObject = {
        "system": system,
        "inferenceConfig": _inference(chat, claude),
        "toolConfig": _tools(chat),
        "outputConfig": {**_form(chat, claude), **thought.output_config},
        "additionalModelRequestFields": fields,
        **own,
    }
    return {"messages": messages, **{name: value for name, value in said.items() if value}}


def _object(name: str, value: JsonValue) -> JsonObject:
    if not isinstance(value, dict):
        lack(name, "has to be an object, as Bedrock describes it")
    return value


def _inference(chat: Chat, claude: Claude) -> JsonObject:
    if chat.temperature is not None and chat.temperature > 1:
        lack("temperature", f"goes up to 1 at {_FAMILY}")
    sampling: JsonObject = {"temperature": chat.temperature, "topP": chat.top_p}
    if not claude.samples:
        for name, value in (("temperature", chat.temperature), ("top_p", chat.top_p)):
            if value not in (None, 1):
                lack(name, "is not heeded by this Claude")
        sampling = {}
    if not claude.samples_by_both and None not in sampling.values() and sampling:
        lack("top_p", "cannot stand beside `temperature` with this Claude")
    said: JsonObject = {"maxTokens": chat.most_output, "stopSequences": list(chat.stop) or None, **sampling}
    return {name: value for name, value in said.items() if value is not None}


def _tools(chat: Chat) -> JsonObject:
    """There is no word for calling none but to offer none, which Bedrock refuses where some were called before."""
    offered = chat.tools if chat.tool_choice != "none" else ()
    if not offered:
        if any(
            (isinstance(turn, Assistant) and turn.tool_calls) or isinstance(turn, ToolResult) for turn in chat.messages
        ):
            param = "tool_choice" if chat.tools else "tools"
            lack(param, f"has to leave tools to call: {_FAMILY} wants them where some were called before")
        return {}
    tools: list[JsonValue] = [block for tool in offered for block in (_tool(tool), *cache_point(tool.cache_control))]
    choice: JsonObject | None = None
    match chat.tool_choice:
        case NamedTool() as named:
            choice = {"tool": {"name": named.function.name}}
        case "required":
            choice = {"any": {}}
    return {"tools": tools, "toolChoice": choice} if choice else {"tools": tools}


def _tool(tool: Tool) -> JsonObject:
    function = tool.function
    said: JsonObject = {"name": function.name, "inputSchema": {"json": {"type": "object", **function.parameters}}}
    if function.description:
        said["description"] = function.description
    if function.strict:
        said["strict"] = True
    return {"toolSpec": said}


def _form(chat: Chat, claude: Claude) -> JsonObject:
    form = chat.response_format
    if isinstance(form, JsonAnything):
        lack("response_format", f"has to be a JSON Schema for {_FAMILY}, which knows no JSON at large")
    if not isinstance(form, JsonBySchema):
        return {}
    if not claude.schemas:
        lack("response_format", "cannot be a JSON Schema with this Claude")
    named = form.json_schema
    schema: JsonObject = {"schema": _as_text(named.schema_), "name": named.name}
    if named.description:
        schema["description"] = named.description
    return {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}}}


def _as_text(schema: JsonObject) -> str:
    return to_json(schema).decode()
