"""What an OpenAI chat completion request asks for. Only what changes the answer is read; the rest passes unseen."""

import json
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from simulator.conversation import ToolUse, Turn, fingerprint, prompt_tokens
from simulator.dialects.dialect import RefusalError
from simulator.exchange import Ask, Refusal, Tool

__all__ = ["canonical_json", "parameters_of", "read_chat_request", "read_embedding_request"]


class _Lenient(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _ImageUrl(_Lenient):
    url: str


class _Part(_Lenient):
    type: str
    text: str = ""
    image_url: _ImageUrl | None = None


class _CalledFunction(_Lenient):
    name: str
    arguments: str


class _ToolCall(_Lenient):
    id: str
    function: _CalledFunction


class _Message(_Lenient):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | tuple[_Part, ...] | None = None
    tool_calls: tuple[_ToolCall, ...] | None = None
    tool_call_id: str | None = None

    def turn(self) -> Turn:
        parts = () if isinstance(self.content, str) else self.content or ()
        return Turn(
            role={"developer": "system", "function": "tool"}.get(self.role, self.role),  # type: ignore[arg-type]
            text=self.content if isinstance(self.content, str) else "".join(part.text for part in parts),
            images=tuple(part.image_url.url for part in parts if part.image_url),
            uses=tuple(
                ToolUse(call.id, call.function.name, canonical_json(call.function.arguments))
                for call in self.tool_calls or ()
            ),
            result_of=self.tool_call_id,
        )


class _Parameters(_Lenient):
    properties: dict[str, object] = {}
    """JSON Schemas, of which only the type is looked at."""


class _Function(_Lenient):
    name: Annotated[str, Field(min_length=1)]
    parameters: _Parameters | None = None


class _Tool(_Lenient):
    type: str = "function"
    function: _Function | None = None


class _Choice(_Lenient):
    type: str
    function: _Function | None = None


class _JsonSchema(_Lenient):
    schema_: dict[str, object] = Field(default_factory=dict, alias="schema")


class _ResponseFormat(_Lenient):
    type: str
    json_schema: _JsonSchema | None = None

    def schema_asked(self) -> dict[str, object] | None:
        if self.json_schema is not None:
            return self.json_schema.schema_
        return {} if self.type == "json_object" else None


class _StreamOptions(_Lenient):
    include_usage: bool = False


class _Metadata(_Lenient):
    sim: str | None = None


class _ChatRequest(_Lenient):
    model: Annotated[str, Field(min_length=1)]
    messages: Annotated[tuple[_Message, ...], Field(min_length=1)]
    service_tier: Literal["auto", "default", "flex", "priority", "scale"] | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    n: Annotated[int, Field(ge=1, le=128)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    tools: tuple[_Tool, ...] | None = None
    tool_choice: Literal["none", "auto", "required"] | _Choice | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    metadata: _Metadata | None = None
    stop: str | tuple[str, ...] | None = None
    response_format: _ResponseFormat | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: str | None = None
    seed: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    user: str | None = None


_Tokens = Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]


class _EmbeddingRequest(_Lenient):
    model: Annotated[str, Field(min_length=1)]
    input: (
        str
        | Annotated[tuple[str, ...], Field(min_length=1)]
        | _Tokens
        | Annotated[tuple[_Tokens, ...], Field(min_length=1)]
    )
    dimensions: Annotated[int, Field(ge=1, le=3072)] | None = None
    encoding_format: Literal["float", "base64"] = "float"


def read_embedding_request(body: bytes) -> Ask:
    """Raises RefusalError."""
    try:
        request = _EmbeddingRequest.model_validate_json(body)
    except ValidationError as error:
        raise RefusalError(_refusal(error)) from error
    texts, tokens = _texts(request.input)
    turns = tuple(Turn("user", text) for text in texts)
    return Ask(
        model=request.model,
        stream=False,
        prompt=fingerprint(turns),
        prompt_tokens=prompt_tokens(turns) if tokens is None else tokens,
        embeds=texts,
        dimensions=request.dimensions,
        base64=request.encoding_format == "base64",
    )


def _texts(
    given: str | tuple[str, ...] | tuple[int, ...] | tuple[tuple[int, ...], ...],
) -> tuple[tuple[str, ...], int | None]:
    """What is embedded, and of how many tokens it is made, where it came as such: they stand for a text of numbers."""
    if isinstance(given, str):
        return (given,), None
    texts = tuple(each for each in given if isinstance(each, str))
    if texts:
        return texts, None
    alone = tuple(each for each in given if isinstance(each, int))
    tokens = (alone,) if alone else tuple(each for each in given if isinstance(each, tuple))
    return tuple(" ".join(map(str, each)) for each in tokens), sum(map(len, tokens))


class _Deployed(_ChatRequest):
    """Where the address names the model, the body need not."""

    model: str = ""


def read_chat_request(body: bytes, model: str | None = None) -> Ask:
    """Of `model`, where the address names it. Raises RefusalError, worded as OpenAI words it."""
    try:
        request = (_Deployed if model else _ChatRequest).model_validate_json(body)
    except ValidationError as error:
        raise RefusalError(_refusal(error)) from error
    if request.stream_options and not request.stream:
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise RefusalError(Refusal(400, message, param="stream_options"))
    turns = tuple(message.turn() for message in request.messages)
    prefix = turns[-1].text if turns[-1].role == "assistant" else ""
    return Ask(
        model=model or request.model,
        stream=bool(request.stream),
        prompt=fingerprint(turns[:-1] if prefix else turns),
        prompt_tokens=prompt_tokens(turns),
        prefix=prefix,
        choices=request.n or 1,
        max_tokens=request.max_completion_tokens or request.max_tokens,
        tools=_tools(request),
        tools_at_least=0 if request.tool_choice in (None, "none", "auto") else 1,
        top_logprobs=(request.top_logprobs or 0) if request.logprobs else None,
        usage=request.stream_options is not None and request.stream_options.include_usage,
        script=request.metadata.sim if request.metadata else None,
        turns=turns,
        tier=None if request.service_tier == "auto" else request.service_tier,
        tool_choice=_tool_choice(request),
        parallel_tools=request.parallel_tool_calls is not False,
        stop=(request.stop,) if isinstance(request.stop, str) else request.stop or (),
        schema=request.response_format.schema_asked() if request.response_format else None,
        thinks=request.reasoning_effort not in (None, "none"),
        seed=request.seed,
        temperature=request.temperature,
        top_p=request.top_p,
        user=request.user,
    )


def _refusal(error: ValidationError) -> Refusal:
    first = error.errors(include_url=False)[0]
    if first["type"] == "json_invalid":
        return Refusal(400, f"We could not parse the JSON body of your request: {first['msg']}.")
    param = ".".join(str(step) for step in first["loc"]) or None
    if first["type"] == "missing":
        return Refusal(400, f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")
    return Refusal(400, f"Invalid value for '{param}': {first['msg']}.", param=param, code="invalid_value")


def canonical_json(text: str) -> str:
    """The same for the same value. What is no JSON stays as it is."""
    try:
        return json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))
    except ValueError:
        return text


def _tool_choice(request: _ChatRequest) -> str:
    choice = request.tool_choice
    if isinstance(choice, _Choice):
        return choice.function.name if choice.function else "required"
    return choice or "auto"


def _tools(request: _ChatRequest) -> tuple[Tool, ...]:
    if request.tool_choice == "none":
        return ()
    offered = [tool.function for tool in request.tools or () if tool.function]
    if isinstance(request.tool_choice, _Choice) and request.tool_choice.function:
        wanted = request.tool_choice.function.name
        offered = [function for function in offered if function.name == wanted]
    return tuple(
        Tool(function.name, parameters_of(function.parameters.properties if function.parameters else {}))
        for function in offered
    )


def parameters_of(properties: dict[str, object]) -> tuple[tuple[str, str], ...]:
    """Of a JSON Schema's properties, their names and types."""
    return tuple((name, _type_of(schema)) for name, schema in properties.items())


def _type_of(schema: object) -> str:
    match schema:
        case {"type": str(kind)} | {"type": [str(kind), *_]}:
            return kind
        case _:
            return "string"
