"""What a request to the Messages API asks for. Unknown fields are refused, as the API refuses them."""

import json
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from simulator.conversation import ToolUse, Turn, fingerprint, prompt_tokens
from simulator.dialects.dialect import RefusalError
from simulator.dialects.openai_request import parameters_of
from simulator.exchange import Ask, Refusal, Request, Tool

__all__ = ["read_message_request"]


_VERSIONS = ("2023-06-01", "2026-10-21")
"""Of the API; the later one has dropped what a model could be told about sampling."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Cached(_Strict):
    cache_control: dict[str, str] | None = None


class _Text(_Cached):
    type: Literal["text"]
    text: Annotated[str, Field(min_length=1)]


class _Source(_Strict):
    type: Literal["url", "base64"]
    url: str | None = None
    media_type: str | None = None
    data: str | None = None

    def as_url(self) -> str:
        return self.url or f"data:{self.media_type};base64,{self.data}"


class _Image(_Cached):
    type: Literal["image"]
    source: _Source


class _Document(_Cached):
    type: Literal["document"]
    source: _Source
    title: str | None = None


class _Thinking(_Strict):
    type: Literal["thinking"]
    thinking: str
    signature: Annotated[str, Field(min_length=1)]


class _Redacted(_Strict):
    type: Literal["redacted_thinking"]
    data: str


class _ToolUse(_Cached):
    type: Literal["tool_use"]
    id: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]+$")]
    name: str
    input: dict[str, object]


class _ToolResult(_Cached):
    type: Literal["tool_result"]
    tool_use_id: str
    content: str | tuple[Annotated[_Text | _Image | _Document, Field(discriminator="type")], ...] = ""
    is_error: bool = False


_Block = Annotated[
    _Text | _Image | _Document | _Thinking | _Redacted | _ToolUse | _ToolResult, Field(discriminator="type")
]


class _Message(_Strict):
    role: Literal["user", "assistant"]
    content: str | Annotated[tuple[_Block, ...], Field(min_length=1)]


class _Schema(BaseModel):
    type: Literal["object"]
    properties: dict[str, object] = {}


class _Tool(_Cached):
    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,128}$")]
    description: str | None = None
    input_schema: _Schema
    strict: bool | None = None


class _ToolChoice(_Strict):
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool = False


class _Thinks(_Strict):
    type: Literal["enabled", "disabled", "adaptive"]
    budget_tokens: Annotated[int, Field(ge=1024)] | None = None
    display: Literal["summarized", "omitted"] | None = None


class _Format(_Strict):
    type: Literal["json_schema"]
    schema_: Annotated[dict[str, object], Field(alias="schema")]


class _OutputConfig(_Strict):
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: _Format | None = None


class _Metadata(_Strict):
    user_id: str | None = None


class _MessageRequest(_Strict):
    model: Annotated[str, Field(min_length=1)]
    max_tokens: Annotated[int, Field(ge=1)]
    messages: Annotated[tuple[_Message, ...], Field(min_length=1)]
    system: str | tuple[_Text, ...] = ""
    stream: bool = False
    stop_sequences: tuple[Annotated[str, Field(pattern=r"\S")], ...] = ()
    temperature: Annotated[float, Field(ge=0, le=1)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_k: int | None = None
    tools: tuple[_Tool, ...] = ()
    tool_choice: _ToolChoice | None = None
    thinking: _Thinks | None = None
    output_config: _OutputConfig | None = None
    metadata: _Metadata | None = None


def read_message_request(request: Request) -> Ask:
    """Raises RefusalError, worded as Anthropic words it."""
    version = request.header(b"anthropic-version")
    if version not in _VERSIONS:
        raise RefusalError(Refusal(400, f"anthropic-version: {version or 'header'} is not a valid version"))
    try:
        asked = _MessageRequest.model_validate_json(request.body)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(step) for step in first["loc"])
        raise RefusalError(Refusal(400, f"{place}: {first['msg']}")) from error
    sampled = asked.model_fields_set & {"temperature", "top_p", "top_k"}
    if sampled and version != _VERSIONS[0]:
        raise RefusalError(Refusal(400, f"{min(sampled)}: Extra inputs are not permitted"))
    turns = _turns(asked)
    prefix = turns[-1].text if turns[-1].role == "assistant" else ""
    if prefix != prefix.rstrip():
        raise RefusalError(Refusal(400, "messages: final assistant content cannot end with trailing whitespace"))
    choice = asked.tool_choice or _ToolChoice(type="auto")
    return Ask(
        model=asked.model,
        stream=asked.stream,
        prompt=fingerprint(turns[:-1] if prefix else turns),
        prompt_tokens=prompt_tokens(turns),
        prefix=prefix,
        max_tokens=asked.max_tokens,
        tools=_tools(asked, choice),
        tools_at_least=1 if choice.type in ("any", "tool") else 0,
        usage=True,
        turns=turns,
        tool_choice={"any": "required", "tool": choice.name or ""}.get(choice.type, choice.type),
        parallel_tools=not choice.disable_parallel_tool_use,
        stop=asked.stop_sequences,
        schema=asked.output_config.format.schema_ if asked.output_config and asked.output_config.format else None,
        thinks=asked.thinking is not None and asked.thinking.type != "disabled",
        temperature=asked.temperature,
        top_p=asked.top_p,
        user=asked.metadata.user_id if asked.metadata else None,
    )


def _turns(asked: _MessageRequest) -> tuple[Turn, ...]:
    system = asked.system if isinstance(asked.system, str) else "".join(block.text for block in asked.system)
    turns = [Turn("system", system)] if system else []
    for message in asked.messages:
        if isinstance(message.content, str):
            turns.append(Turn(message.role, message.content))
            continue
        turns += [_result(block) for block in message.content if isinstance(block, _ToolResult)]
        rest = [block for block in message.content if not isinstance(block, _ToolResult)]
        if rest:
            turns.append(_turn(message.role, rest))
    return tuple(turns)


def _turn(role: Literal["user", "assistant"], blocks: Iterable[_Block]) -> Turn:
    turn = Turn(role)
    for block in blocks:
        match block:
            case _Text(text=text):
                turn = turn._replace(text=turn.text + text)
            case _Image(source=source) | _Document(source=source):
                turn = turn._replace(images=(*turn.images, source.as_url()))
            case _ToolUse():
                arguments = json.dumps(block.input, sort_keys=True, separators=(",", ":"))
                turn = turn._replace(uses=(*turn.uses, ToolUse(block.id, block.name, arguments)))
            case _Thinking(signature=proof) | _Redacted(data=proof):
                turn = turn._replace(thoughts=(*turn.thoughts, proof))
            case _ToolResult():
                pass
    return turn


def _result(block: _ToolResult) -> Turn:
    if isinstance(block.content, str):
        return Turn("tool", block.content, result_of=block.tool_use_id)
    said = _turn("user", block.content)
    return Turn("tool", said.text, said.images, result_of=block.tool_use_id)


def _tools(asked: _MessageRequest, choice: _ToolChoice) -> tuple[Tool, ...]:
    if choice.type == "none":
        return ()
    offered = [tool for tool in asked.tools if choice.type != "tool" or tool.name == choice.name]
    return tuple(Tool(tool.name, parameters_of(tool.input_schema.properties)) for tool in offered)
