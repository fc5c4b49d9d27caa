"""What does a block look like that Claude reads?"""

from collections.abc import Iterator
from typing import Final

from pydantic import JsonValue

from services.router_worker.providers.chat import Audio, FilePart, Image, Part, Refused, Text, ToolCall, lack
from shared.contracts import JsonObject

__all__ = ["ClaudeBlocks", "marked"]

_THOUGHTS: Final = {"thinking": "signature", "redacted_thinking": "data"}
"""Kinds of blocks that are Claude's own thoughts, and what makes them genuine. Those of other families stay here."""


class ClaudeBlocks:
    """The port `Blocks`."""

    def part(self, part: Part, place: str) -> Iterator[JsonObject]:
        match part:
            case Text() if part.text:
                yield marked(self.text(part.text), part.cache_control)
            case Refused() if part.refusal:
                yield self.text(part.refusal)
            case Image():
                yield marked({"type": "image", "source": _image(part, place)}, part.cache_control)
            case FilePart():
                yield marked(_document(part, place), part.cache_control)
            case Audio():
                lack(place, "is sound, which Claude does not hear")
            case Text() | Refused():
                pass

    def text(self, text: str) -> JsonObject:
        return {"type": "text", "text": text}

    def thought(self, block: JsonObject) -> JsonObject | None:
        proof = _THOUGHTS.get(str(block.get("type")))
        return dict(block) if proof is not None and block.get(proof) else None

    def use(self, call: ToolCall, arguments: JsonObject) -> JsonObject:
        return {"type": "tool_use", "id": call.id, "name": call.function.name, "input": arguments}

    def result(self, call_id: str, content: list[JsonValue]) -> JsonObject:
        return {"type": "tool_result", "tool_use_id": call_id, "content": content}


def marked(block: JsonObject, cache_control: JsonObject | None) -> JsonObject:
    return block if cache_control is None else {**block, "cache_control": cache_control}


def _image(part: Image, place: str) -> JsonObject:
    if part.image_url.detail == "low":
        lack(f"{place}.image_url.detail", "cannot be low: Claude looks closely")
    inline = part.inline
    if inline is None:
        return {"type": "url", "url": part.image_url.url}
    return {"type": "base64", "media_type": inline.media_type, "data": inline.base64}


def _document(part: FilePart, place: str) -> JsonObject:
    inline = part.inline
    if inline is None or inline.media_type != "application/pdf":
        lack(f"{place}.file", "has to be a PDF that comes along as `file_data`")
    source: JsonObject = {"type": "base64", "media_type": inline.media_type, "data": inline.base64}
    document: JsonObject = {"type": "document", "source": source}
    return {**document, "title": part.file.filename} if part.file.filename else document
