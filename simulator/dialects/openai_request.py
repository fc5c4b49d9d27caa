"""What an OpenAI chat completion request asks for. Only what changes the answer is read; the rest passes unseen."""

import math
from hashlib import blake2b
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from simulator.dialects.dialect import RefusalError
from simulator.exchange import Ask, Refusal, Tool

__all__ = ["read_chat_request"]

_TOKENS_PER_MESSAGE = 3
_TOKENS_PER_IMAGE = 85
_BYTES_PER_TOKEN = 4


class _Lenient(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Part(_Lenient):
    type: str
    text: str = ""


class _Message(_Lenient):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | tuple[_Part, ...] | None = None

    def text(self) -> str:
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content or ())

    def images(self) -> int:
        if isinstance(self.content, str):
            return 0
        return sum(part.type == "image_url" for part in self.content or ())


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


class _StreamOptions(_Lenient):
    include_usage: bool = False


class _Metadata(_Lenient):
    sim: str | None = None


class _ChatRequest(_Lenient):
    model: Annotated[str, Field(min_length=1)]
    messages: Annotated[tuple[_Message, ...], Field(min_length=1)]
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


def read_chat_request(body: bytes) -> Ask:
    """Raises RefusalError, worded as OpenAI words it."""
    try:
        request = _ChatRequest.model_validate_json(body)
    except ValidationError as error:
        raise RefusalError(_refusal(error)) from error
    if request.stream_options and not request.stream:
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise RefusalError(Refusal(400, message, param="stream_options"))
    prefix = request.messages[-1].text() if request.messages[-1].role == "assistant" else ""
    return Ask(
        model=request.model,
        stream=bool(request.stream),
        prompt=_fingerprint(request.messages[:-1] if prefix else request.messages),
        prompt_tokens=_prompt_tokens(request.messages),
        prefix=prefix,
        choices=request.n or 1,
        max_tokens=request.max_completion_tokens or request.max_tokens,
        tools=_tools(request),
        tools_at_least=0 if request.tool_choice in (None, "none", "auto") else 1,
        top_logprobs=(request.top_logprobs or 0) if request.logprobs else None,
        usage=request.stream_options is not None and request.stream_options.include_usage,
        script=request.metadata.sim if request.metadata else None,
    )


def _refusal(error: ValidationError) -> Refusal:
    first = error.errors(include_url=False)[0]
    if first["type"] == "json_invalid":
        return Refusal(400, f"We could not parse the JSON body of your request: {first['msg']}.")
    param = ".".join(str(step) for step in first["loc"]) or None
    if first["type"] == "missing":
        return Refusal(400, f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")
    return Refusal(400, f"Invalid value for '{param}': {first['msg']}.", param=param, code="invalid_value")


def _fingerprint(messages: tuple[_Message, ...]) -> bytes:
    digest = blake2b(digest_size=16)
    for message in messages:
        digest.update(f"\x1e{message.role}\x1f{message.text()}".encode("utf-8", "surrogatepass"))
    return digest.digest()


def _prompt_tokens(messages: tuple[_Message, ...]) -> int:
    """The simulator's own measure: a token per 4 bytes of text, 85 per image, 3 per message."""
    size = sum(len(message.text().encode("utf-8", "surrogatepass")) for message in messages)
    images = sum(message.images() for message in messages)
    return math.ceil(size / _BYTES_PER_TOKEN) + _TOKENS_PER_IMAGE * images + _TOKENS_PER_MESSAGE * len(messages)


def _tools(request: _ChatRequest) -> tuple[Tool, ...]:
    if request.tool_choice == "none":
        return ()
    offered = [tool.function for tool in request.tools or () if tool.function]
    if isinstance(request.tool_choice, _Choice) and request.tool_choice.function:
        wanted = request.tool_choice.function.name
        offered = [function for function in offered if function.name == wanted]
    return tuple(Tool(function.name, _parameters(function)) for function in offered)


def _parameters(function: _Function) -> tuple[tuple[str, str], ...]:
    properties = function.parameters.properties if function.parameters else {}
    return tuple((name, _type_of(schema)) for name, schema in properties.items())


def _type_of(schema: object) -> str:
    match schema:
        case {"type": str(kind)} | {"type": [str(kind), *_]}:
            return kind
        case _:
            return "string"
