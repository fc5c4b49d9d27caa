"""What do the messages of a conversation say? In OpenAI's own shapes: whatever else stands there is refused."""

from collections.abc import Iterable
from itertools import groupby
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from shared.contracts import JsonObject

__all__ = [
    "Assistant",
    "Audio",
    "FilePart",
    "Image",
    "InlineData",
    "Part",
    "Refused",
    "Shape",
    "Side",
    "System",
    "Text",
    "ToolCall",
    "ToolResult",
    "Turn",
    "User",
    "sides",
]


class Shape(BaseModel):
    """A JSON object of the request. What is null there counts as absent; a name that is not known is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, data: object) -> object:
        return {name: value for name, value in data.items() if value is not None} if isinstance(data, dict) else data


class Text(Shape):
    type: Literal["text"]
    text: str
    cache_control: JsonObject | None = None
    """Anthropic's mark, which other gateways have made known: cached up to here."""


class InlineData(NamedTuple):
    media_type: str
    base64: str


class _ImageUrl(Shape):
    url: str
    detail: str | None = None


class Image(Shape):
    type: Literal["image_url"]
    image_url: _ImageUrl
    cache_control: JsonObject | None = None

    @property
    def inline(self) -> InlineData | None:
        """What a `data:` URL holds; None when the picture is elsewhere, or the URL is none of this kind."""
        return _inline(self.image_url.url)


class _InputAudio(Shape):
    data: str
    format: str


class Audio(Shape):
    type: Literal["input_audio"]
    input_audio: _InputAudio


class _File(Shape):
    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class FilePart(Shape):
    type: Literal["file"]
    file: _File
    cache_control: JsonObject | None = None

    @property
    def inline(self) -> InlineData | None:
        return _inline(self.file.file_data or "")


class Refused(Shape):
    """What the assistant would not do, in its own words."""

    type: Literal["refusal"]
    refusal: str


Part = Text | Image | Audio | FilePart | Refused


def _as_parts(content: object) -> object:
    """A text is a list of one part. Lists become tuples here, because nothing else is strict and frozen."""
    if isinstance(content, str):
        return ({"type": "text", "text": content},)
    return tuple(content) if isinstance(content, list) else content


_Tuple = BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)

Content = Annotated[tuple[Annotated[Part, Field(discriminator="type")], ...], BeforeValidator(_as_parts)]


class System(Shape):
    role: Literal["system", "developer"]
    content: Content
    name: str | None = None


class User(Shape):
    role: Literal["user"]
    content: Content
    name: str | None = None


class _Called(Shape):
    name: str
    arguments: str


class ToolCall(Shape):
    id: str
    type: Literal["function"] = "function"
    function: _Called
    index: int | None = None
    """Some clients leave it there from the stream."""
    extra_content: JsonObject | None = None
    """Where Google's layer for OpenAI's clients keeps the signature of the thoughts that led to the call."""


class Assistant(Shape):
    role: Literal["assistant"]
    content: Content = ()
    name: str | None = None
    refusal: str | None = None
    tool_calls: Annotated[tuple[ToolCall, ...], _Tuple] = ()
    reasoning_content: str | None = None
    thinking_blocks: Annotated[tuple[JsonObject, ...], _Tuple] = ()
    """As `telling.Telling.thinking` gave them out."""
    images: Annotated[tuple[Image, ...], _Tuple] = ()
    """What the model painted, as it was given out."""
    citations: Annotated[tuple[JsonObject, ...], _Tuple] = ()
    """Of a Cohere's answer: what its words rest on, which is no part of a conversation."""
    annotations: Annotated[tuple[JsonObject, ...], _Tuple, Field(max_length=0)] = ()
    """The official clients send an empty list back."""


class ToolResult(Shape):
    role: Literal["tool"]
    tool_call_id: str
    content: Content
    name: str | None = None


Turn = System | User | Assistant | ToolResult


class Side(NamedTuple):
    is_assistant: bool
    turns: list[Turn]


def sides(turns: Iterable[Turn]) -> list[Side]:
    """The conversation as speech and reply, for families in which the two take turns: a tool's result is no reply."""
    grouped = groupby(turns, key=lambda turn: isinstance(turn, Assistant))
    return [Side(is_assistant, list(spoken)) for is_assistant, spoken in grouped]


def _inline(url: str) -> InlineData | None:
    head, comma, data = url.partition(",")
    if not comma or not head.startswith("data:") or not head.endswith(";base64"):
        return None
    return InlineData(head.removeprefix("data:").partition(";")[0], data)
