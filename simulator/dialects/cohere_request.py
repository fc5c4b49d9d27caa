"""What a request to Cohere asks for. Unknown fields are refused, as the API refuses them."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from simulator.conversation import ToolUse, Turn, fingerprint, prompt_tokens
from simulator.dialects.dialect import RefusalError
from simulator.dialects.openai_request import canonical_json, parameters_of
from simulator.exchange import Ask, Refusal, Tool

__all__ = ["read_chat_request", "read_embed_request"]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _ImageUrl(_Strict):
    url: str
    detail: Literal["auto", "low", "high"] | None = None


class _Part(_Strict):
    """Of any kind; which kinds are taken hangs on the role."""

    type: Literal["text", "image_url", "thinking"]
    text: str | None = None
    image_url: _ImageUrl | None = None
    thinking: str | None = None


class _CalledFunction(_Strict):
    name: str
    arguments: str


class _ToolCall(_Strict):
    id: str
    type: Literal["function"] = "function"
    function: _CalledFunction


class _Message(_Strict):
    role: Literal["system", "user", "assistant", "tool"]
    content: str | tuple[_Part, ...] | None = None
    tool_calls: tuple[_ToolCall, ...] = ()
    tool_plan: str | None = None
    tool_call_id: str | None = None

    def turn(self) -> Turn:
        parts = (_Part(type="text", text=self.content),) if isinstance(self.content, str) else self.content or ()
        return Turn(
            self.role,
            (self.tool_plan or "") + "".join(part.text or "" for part in parts),
            images=tuple(part.image_url.url for part in parts if part.image_url),
            uses=tuple(
                ToolUse(call.id, call.function.name, canonical_json(call.function.arguments))
                for call in self.tool_calls
            ),
            result_of=self.tool_call_id,
            thoughts=tuple(part.thinking for part in parts if part.thinking),
        )


class _Schema(BaseModel):
    type: Literal["object"]
    properties: dict[str, object] = {}


class _Function(_Strict):
    name: Annotated[str, Field(min_length=1)]
    description: str | None = None
    parameters: _Schema


class _Tool(_Strict):
    type: Literal["function"]
    function: _Function


class _Format(_Strict):
    type: Literal["text", "json_object"]
    json_schema: dict[str, object] | None = None

    def schema_asked(self) -> dict[str, object] | None:
        return None if self.type == "text" else self.json_schema or {}


class _Thinking(_Strict):
    type: Literal["enabled", "disabled"]
    token_budget: Annotated[int, Field(ge=1)] | None = None


class _ChatRequest(_Strict):
    model: Annotated[str, Field(min_length=1)]
    messages: Annotated[tuple[_Message, ...], Field(min_length=1)]
    stream: bool = False
    tools: tuple[_Tool, ...] = ()
    strict_tools: bool = False
    tool_choice: Literal["REQUIRED", "NONE"] | None = None
    documents: tuple[str | dict[str, object], ...] = ()
    citation_options: dict[str, str] | None = None
    response_format: _Format = _Format(type="text")
    safety_mode: Literal["CONTEXTUAL", "STRICT", "OFF"] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    stop_sequences: Annotated[tuple[str, ...], Field(max_length=5)] = ()
    temperature: Annotated[float, Field(ge=0)] | None = None
    seed: int | None = None
    frequency_penalty: Annotated[float, Field(ge=0, le=1)] | None = None
    presence_penalty: Annotated[float, Field(ge=0, le=1)] | None = None
    k: Annotated[int, Field(ge=0, le=500)] | None = None
    p: Annotated[float, Field(ge=0.01, le=0.99)] | None = None
    logprobs: bool = False
    thinking: _Thinking = _Thinking(type="disabled")
    priority: int | None = None


class _EmbedRequest(_Strict):
    model: Annotated[str, Field(min_length=1)]
    input_type: Literal["search_document", "search_query", "classification", "clustering", "image"]
    texts: Annotated[tuple[str, ...], Field(min_length=1, max_length=96)]
    embedding_types: tuple[Literal["float"], ...] = ("float",)
    output_dimension: Annotated[int, Field(ge=1)] | None = None
    truncate: Literal["NONE", "START", "END"] = "END"


def read_embed_request(body: bytes) -> Ask:
    """Raises RefusalError."""
    try:
        asked = _EmbedRequest.model_validate_json(body)
    except ValidationError as error:
        raise RefusalError(_refusal(error)) from error
    turns = tuple(Turn("user", text) for text in asked.texts)
    return Ask(
        model=asked.model,
        stream=False,
        prompt=fingerprint(turns),
        prompt_tokens=prompt_tokens(turns),
        embeds=asked.texts,
        dimensions=asked.output_dimension,
    )


def read_chat_request(body: bytes) -> Ask:
    """Raises RefusalError, worded as Cohere words it."""
    try:
        asked = _ChatRequest.model_validate_json(body)
    except ValidationError as error:
        raise RefusalError(_refusal(error)) from error
    schema = asked.response_format.schema_asked()
    if schema is not None and asked.tools:
        raise RefusalError(Refusal(400, "invalid request: response_format is not supported with tools"))
    turns = tuple(message.turn() for message in asked.messages)
    prefix = turns[-1].text if turns[-1].role == "assistant" else ""
    return Ask(
        model=asked.model,
        stream=asked.stream,
        prompt=fingerprint(turns[:-1] if prefix else turns),
        prompt_tokens=prompt_tokens(turns),
        prefix=prefix,
        max_tokens=asked.max_tokens,
        tools=() if asked.tool_choice == "NONE" else tuple(_tool(tool.function) for tool in asked.tools),
        tools_at_least=1 if asked.tool_choice == "REQUIRED" else 0,
        top_logprobs=0 if asked.logprobs else None,
        usage=True,
        turns=turns,
        tool_choice=asked.tool_choice.lower() if asked.tool_choice else "auto",
        stop=asked.stop_sequences,
        schema=schema,
        thinks=asked.thinking.type == "enabled",
        seed=asked.seed,
        temperature=asked.temperature,
        top_p=asked.p,
    )


def _refusal(error: ValidationError) -> Refusal:
    first = error.errors(include_url=False)[0]
    place = ".".join(str(step) for step in first["loc"])
    words = "unknown field" if first["type"] == "extra_forbidden" else first["msg"]
    return Refusal(400, f"invalid request: {words}: parameter '{place}'")


def _tool(function: _Function) -> Tool:
    return Tool(function.name, parameters_of(function.parameters.properties))
