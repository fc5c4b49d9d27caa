"""The JSON objects of the Gemini API as Google takes them: in both spellings of a name, and no unknown ones."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from simulator.dialects.openai_request import parameters_of
from simulator.exchange import Tool

__all__ = [
    "Batch",
    "CallingConfig",
    "Content",
    "ContentRequest",
    "FunctionResponse",
    "Part",
    "Prediction",
    "ResponsePart",
]


class _Strict(BaseModel):
    """`maxOutputTokens` is `max_output_tokens`."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class _Blob(_Strict):
    mime_type: str
    data: str


class _FileData(_Strict):
    mime_type: str
    file_uri: str


class _FunctionCall(_Strict):
    id: str | None = None
    name: str
    args: dict[str, object] = {}


class ResponsePart(_Strict):
    inline_data: _Blob


class FunctionResponse(_Strict):
    id: str | None = None
    name: str
    response: dict[str, object]
    parts: tuple[ResponsePart, ...] = ()


class _MediaResolution(_Strict):
    level: str


class Part(_Strict):
    text: str | None = None
    inline_data: _Blob | None = None
    file_data: _FileData | None = None
    function_call: _FunctionCall | None = None
    function_response: FunctionResponse | None = None
    thought: bool = False
    thought_signature: str | None = None
    media_resolution: _MediaResolution | None = None


class Content(_Strict):
    role: Literal["user", "model"] = "user"
    parts: Annotated[tuple[Part, ...], Field(min_length=1)]


class _Declaration(_Strict):
    name: Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}$")]
    description: str | None = None
    parameters: dict[str, object] | None = None
    parameters_json_schema: dict[str, object] | None = None

    def tool(self) -> Tool:
        schema = _in_lower_case(self.parameters) if self.parameters else self.parameters_json_schema or {}
        properties = schema.get("properties", {})
        return Tool(self.name, parameters_of(properties if isinstance(properties, dict) else {}))


class _Tools(_Strict):
    function_declarations: tuple[_Declaration, ...] = ()


class CallingConfig(_Strict):
    mode: Literal["AUTO", "ANY", "NONE", "VALIDATED"] = "AUTO"
    allowed_function_names: tuple[str, ...] = ()

    def choice(self) -> str:
        if self.mode == "ANY" and len(self.allowed_function_names) == 1:
            return self.allowed_function_names[0]
        return {"ANY": "required", "NONE": "none"}.get(self.mode, "auto")


class _ToolConfig(_Strict):
    function_calling_config: CallingConfig = CallingConfig()


class _ThinkingConfig(_Strict):
    include_thoughts: bool = False
    thinking_budget: Annotated[int, Field(ge=-1)] | None = None
    thinking_level: Literal["MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH"] | None = None


class _GenerationConfig(_Strict):
    max_output_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: float | None = None
    top_k: float | None = None
    candidate_count: Annotated[int, Field(ge=1, le=8)] = 1
    stop_sequences: Annotated[tuple[str, ...], Field(max_length=5)] = ()
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    response_logprobs: bool = False
    logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    response_mime_type: Literal["text/plain", "application/json"] = "text/plain"
    response_schema: dict[str, object] | None = None
    response_json_schema: dict[str, object] | None = None
    thinking_config: _ThinkingConfig = _ThinkingConfig()

    def schema_asked(self) -> dict[str, object] | None:
        if self.response_schema is not None:
            return _in_lower_case(self.response_schema)
        if self.response_json_schema is not None:
            return self.response_json_schema
        return {} if self.response_mime_type == "application/json" else None


class _SafetySetting(_Strict):
    category: str
    threshold: str


class ContentRequest(_Strict):
    contents: Annotated[tuple[Content, ...], Field(min_length=1)]
    system_instruction: Content | None = None
    tools: tuple[_Tools, ...] = ()
    tool_config: _ToolConfig = _ToolConfig()
    safety_settings: tuple[_SafetySetting, ...] = ()
    cached_content: str | None = None
    generation_config: _GenerationConfig = _GenerationConfig()


class _EmbedConfig(_Strict):
    output_dimensionality: Annotated[int, Field(ge=1)] | None = None
    task_type: str | None = None
    title: str | None = None


class _EmbedRequest(_EmbedConfig):
    model: str | None = None
    content: Content
    embed_content_config: _EmbedConfig = _EmbedConfig()


class Batch(_Strict):
    requests: Annotated[tuple[_EmbedRequest, ...], Field(min_length=1)]

    def texts(self) -> tuple[str, ...]:
        return tuple("".join(part.text or "" for part in request.content.parts) for request in self.requests)

    def dimensions(self) -> int | None:
        first = self.requests[0]
        return first.output_dimensionality or first.embed_content_config.output_dimensionality


class _Instance(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    content: str
    task_type: str | None = None
    title: str | None = None


class Prediction(_Strict):
    instances: Annotated[tuple[_Instance, ...], Field(min_length=1)]
    parameters: _EmbedConfig = _EmbedConfig()

    def texts(self) -> tuple[str, ...]:
        return tuple(instance.content for instance in self.instances)

    def dimensions(self) -> int | None:
        return self.parameters.output_dimensionality


def _in_lower_case(schema: dict[str, object]) -> dict[str, object]:
    """Google's own schemas name their types in capitals."""
    lowered: dict[str, object] = {}
    for name, value in schema.items():
        if name == "type" and isinstance(value, str):
            lowered[name] = value.lower()
        else:
            lowered[name] = _in_lower_case(value) if isinstance(value, dict) else value
    return lowered
