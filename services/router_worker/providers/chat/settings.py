"""What may be asked beside the conversation: tools, how they are chosen, and the form of the answer."""

from typing import Annotated, Literal

from pydantic import Field

from services.router_worker.providers.chat.messages import Shape
from shared.contracts import JsonObject

__all__ = ["Format", "JsonAnything", "JsonBySchema", "NamedTool", "PlainText", "Tool", "ToolChoice"]


class _Function(Shape):
    name: str
    description: str | None = None
    parameters: JsonObject = Field(default_factory=dict)
    strict: bool | None = None


class Tool(Shape):
    type: Literal["function"]
    function: _Function
    cache_control: JsonObject | None = None


class _Named(Shape):
    name: str


class NamedTool(Shape):
    """This one must be called."""

    type: Literal["function"]
    function: _Named


ToolChoice = Literal["none", "auto", "required"] | NamedTool


class PlainText(Shape):
    type: Literal["text"]


class JsonAnything(Shape):
    """Any JSON object."""

    type: Literal["json_object"]


class _Schema(Shape):
    name: str
    description: str | None = None
    schema_: JsonObject = Field(default_factory=dict, alias="schema")
    strict: bool | None = None


class JsonBySchema(Shape):
    type: Literal["json_schema"]
    json_schema: _Schema


Format = Annotated[PlainText | JsonAnything | JsonBySchema, Field(discriminator="type")]
