"""What a Converse request asks for. Unknown fields are refused: docs.aws.amazon.com/bedrock, API_runtime_Converse."""

import json
from collections.abc import Iterable
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, Json, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from simulator.conversation import ToolUse, Turn, fingerprint, prompt_tokens
from simulator.dialects.dialect import RefusalError
from simulator.dialects.openai_request import parameters_of
from simulator.exchange import Ask, Refusal, Tool

__all__ = ["read_converse_request"]

_Id = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_.:-]{1,64}$")]
_Name = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class _Union(_Strict):
    """Exactly one of its fields is there."""

    @model_validator(mode="after")
    def _is_one(self) -> "_Union":
        if len(self.model_fields_set) != 1:
            raise ValueError("exactly one member must be set")
        return self


class _Source(_Strict):
    bytes: Annotated[str, Field(min_length=1)]


class _Image(_Strict):
    format: Literal["png", "jpeg", "gif", "webp"]
    source: _Source


class _Document(_Strict):
    format: Literal["pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9()\[\]-]+( [A-Za-z0-9()\[\]-]+)*$", max_length=200)]
    source: _Source


class _ToolUse(_Strict):
    tool_use_id: _Id
    name: _Name
    input: dict[str, object]


class _Result(_Union):
    text: str | None = None
    image: _Image | None = None
    document: _Document | None = None
    json_: Annotated[dict[str, object] | None, Field(alias="json")] = None


class _ToolResult(_Strict):
    tool_use_id: _Id
    content: tuple[_Result, ...]
    status: Literal["success", "error"] = "success"


class _Thought(_Strict):
    text: str
    signature: str | None = None


class _Reasoning(_Union):
    reasoning_text: _Thought | None = None
    redacted_content: str | None = None


class _CachePoint(_Strict):
    type: Literal["default"]
    ttl: Literal["5m", "1h"] | None = None


class _Block(_Union):
    text: Annotated[str, Field(min_length=1)] | None = None
    image: _Image | None = None
    document: _Document | None = None
    tool_use: _ToolUse | None = None
    tool_result: _ToolResult | None = None
    reasoning_content: _Reasoning | None = None
    cache_point: _CachePoint | None = None


class _Message(_Strict):
    role: Literal["user", "assistant"]
    content: Annotated[tuple[_Block, ...], Field(min_length=1)]


class _System(_Union):
    text: Annotated[str, Field(min_length=1)] | None = None
    cache_point: _CachePoint | None = None


class _Inference(_Strict):
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=1)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    stop_sequences: tuple[Annotated[str, Field(min_length=1)], ...] = ()


class _Parameters(BaseModel):
    type: Literal["object"]
    properties: dict[str, object] = {}


class _InputSchema(_Strict):
    json_: Annotated[_Parameters, Field(alias="json")]


class _ToolSpec(_Strict):
    name: _Name
    description: Annotated[str, Field(min_length=1)] | None = None
    input_schema: _InputSchema
    strict: bool = False


class _Tool(_Union):
    tool_spec: _ToolSpec | None = None
    cache_point: _CachePoint | None = None


class _Named(_Strict):
    name: _Name


class _Nothing(_Strict):
    pass


class _Choice(_Union):
    auto: _Nothing | None = None
    any: _Nothing | None = None
    tool: _Named | None = None


class _ToolConfig(_Strict):
    tools: Annotated[tuple[_Tool, ...], Field(min_length=1)]
    tool_choice: _Choice | None = None


class _Schema(_Strict):
    schema_: Annotated[Json[dict[str, object]], Field(alias="schema")]
    name: str | None = None
    description: str | None = None


class _Structure(_Strict):
    json_schema: _Schema


class _TextFormat(_Strict):
    type: Literal["json_schema"]
    structure: _Structure


class _OutputConfig(_Strict):
    text_format: _TextFormat | None = None
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None


class _ConverseRequest(_Strict):
    messages: Annotated[tuple[_Message, ...], Field(min_length=1)]
    system: tuple[_System, ...] = ()
    inference_config: _Inference = _Inference()
    tool_config: _ToolConfig | None = None
    output_config: _OutputConfig = _OutputConfig()
    additional_model_request_fields: dict[str, object] = {}
    guardrail_config: dict[str, str] | None = None


def read_converse_request(body: bytes, model: str) -> Ask:
    """Raises RefusalError, worded as Bedrock words it."""
    try:
        asked = _ConverseRequest.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(step) for step in first["loc"])
        raise RefusalError(Refusal(400, f"Malformed input request: {place}: {first['msg']}")) from error
    _check_roles(asked)
    turns = _turns(asked)
    prefix = turns[-1].text if turns[-1].role == "assistant" else ""
    choice = _choice(asked.tool_config)
    text = asked.output_config.text_format
    return Ask(
        model=model,
        stream=False,
        prompt=fingerprint(turns[:-1] if prefix else turns),
        prompt_tokens=prompt_tokens(turns),
        prefix=prefix,
        max_tokens=asked.inference_config.max_tokens,
        tools=_tools(asked.tool_config, choice),
        tools_at_least=0 if choice in ("auto", "none") else 1,
        usage=True,
        turns=turns,
        tool_choice=choice,
        stop=asked.inference_config.stop_sequences,
        schema=text.structure.json_schema.schema_ if text else None,
        thinks=bool(asked.output_config.effort or asked.additional_model_request_fields),
        temperature=asked.inference_config.temperature,
        top_p=asked.inference_config.top_p,
    )


def _check_roles(asked: _ConverseRequest) -> None:
    roles = [message.role for message in asked.messages]
    if roles[0] != "user":
        words = "A conversation must start with a user message. Try again with a conversation that starts with one."
        raise RefusalError(Refusal(400, words))
    if any(this == following for this, following in pairwise(roles)):
        raise RefusalError(Refusal(400, "Messages must alternate between user and assistant roles."))
    blocks = [block for message in asked.messages for block in message.content]
    if asked.tool_config is None and any(block.tool_use or block.tool_result for block in blocks):
        words = "The toolConfig field must be defined when using toolUse and toolResult content blocks."
        raise RefusalError(Refusal(400, words))


def _turns(asked: _ConverseRequest) -> tuple[Turn, ...]:
    system = "".join(block.text or "" for block in asked.system)
    turns = [Turn("system", system)] if system else []
    for message in asked.messages:
        turns += [_result(block.tool_result) for block in message.content if block.tool_result]
        rest = [block for block in message.content if not block.tool_result and not block.cache_point]
        if rest:
            turns.append(_turn(message.role, rest))
    return tuple(turns)


def _turn(role: Literal["user", "assistant"], blocks: Iterable[_Block]) -> Turn:
    turn = Turn(role)
    for block in blocks:
        if block.tool_use:
            arguments = json.dumps(block.tool_use.input, sort_keys=True, separators=(",", ":"))
            use = ToolUse(block.tool_use.tool_use_id, block.tool_use.name, arguments)
            turn = turn._replace(uses=(*turn.uses, use))
        elif block.reasoning_content:
            thought = block.reasoning_content
            proof = thought.reasoning_text.signature if thought.reasoning_text else thought.redacted_content
            turn = turn._replace(thoughts=(*turn.thoughts, proof or ""))
        else:
            turn = _with(turn, block.text, block.image, block.document)
    return turn


def _with(turn: Turn, text: str | None, image: _Image | None, document: _Document | None) -> Turn:
    if image:
        return turn._replace(images=(*turn.images, f"data:image/{image.format};base64,{image.source.bytes}"))
    if document:
        url = f"data:application/{document.format};base64,{document.source.bytes}"
        return turn._replace(images=(*turn.images, url))
    return turn._replace(text=turn.text + (text or ""))


def _result(result: _ToolResult) -> Turn:
    turn = Turn("tool", result_of=result.tool_use_id)
    for part in result.content:
        turn = _with(turn, json.dumps(part.json_) if part.json_ else part.text, part.image, part.document)
    return turn


def _choice(config: _ToolConfig | None) -> str:
    """Without tools none can be called: it is the only way to say so."""
    if config is None:
        return "none"
    choice = config.tool_choice or _Choice(auto=_Nothing())
    return choice.tool.name if choice.tool else "required" if choice.any else "auto"


def _tools(config: _ToolConfig | None, choice: str) -> tuple[Tool, ...]:
    specs = [tool.tool_spec for tool in config.tools if tool.tool_spec] if config else []
    wanted = [spec for spec in specs if choice in ("auto", "required", spec.name)]
    return tuple(Tool(spec.name, parameters_of(spec.input_schema.json_.properties)) for spec in wanted)
