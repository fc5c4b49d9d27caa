"""What does a block look like in Converse?"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from pydantic import JsonValue

from services.router_worker.providers.chat import Audio, FilePart, Image, Part, Refused, Text, ToolCall, lack
from shared.contracts import JsonObject

__all__ = ["ConverseBlocks", "cache_point"]

_PICTURES: Final = frozenset({"png", "jpeg", "gif", "webp"})
_DOCUMENTS: Final[Mapping[str, str]] = {
    "application/msword": "doc",
    "application/pdf": "pdf",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "text/csv": "csv",
    "text/html": "html",
    "text/markdown": "md",
    "text/plain": "txt",
}
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9\-()\[\]]+")


class ConverseBlocks:
    """The port `Blocks`."""

    def part(self, part: Part, place: str) -> Iterator[JsonObject]:
        match part:
            case Text() if part.text:
                yield self.text(part.text)
                yield from cache_point(part.cache_control)
            case Refused() if part.refusal:
                yield self.text(part.refusal)
            case Image():
                yield {"image": _image(part, place)}
                yield from cache_point(part.cache_control)
            case FilePart():
                yield {"document": _document(part, place)}
                yield from cache_point(part.cache_control)
            case Audio():
                lack(place, "is sound, which is not sent to Bedrock")
            case Text() | Refused():
                pass

    def text(self, text: str) -> JsonObject:
        return {"text": text}

    def thought(self, block: JsonObject) -> JsonObject | None:
        match block:
            case {"type": "thinking", "thinking": str(text), "signature": str(signature)} if signature:
                return {"reasoningContent": {"reasoningText": {"text": text, "signature": signature}}}
            case {"type": "redacted_thinking", "data": str(data)} if data:
                return {"reasoningContent": {"redactedContent": data}}
            case _:
                return None

    def use(self, call: ToolCall, arguments: JsonObject) -> JsonObject:
        return {"toolUse": {"toolUseId": call.id, "name": call.function.name, "input": arguments}}

    def result(self, call_id: str, content: list[JsonValue]) -> JsonObject:
        return {"toolResult": {"toolUseId": call_id, "content": content}}


def cache_point(cache_control: JsonObject | None) -> list[JsonObject]:
    """Anthropic's mark, as a block of its own behind what it marks."""
    if cache_control is None:
        return []
    ttl = cache_control.get("ttl")
    return [{"cachePoint": {"type": "default", **({"ttl": ttl} if ttl else {})}}]


def _image(part: Image, place: str) -> JsonObject:
    if part.image_url.detail == "low":
        lack(f"{place}.image_url.detail", "cannot be low: Bedrock has no word for it")
    inline = part.inline
    if inline is None:
        lack(f"{place}.image_url.url", "has to be a `data:` URL: Bedrock fetches no pictures")
    form = inline.media_type.removeprefix("image/").replace("jpg", "jpeg")
    if form not in _PICTURES:
        lack(f"{place}.image_url.url", f"has to be one of {', '.join(sorted(_PICTURES))}")
    return {"format": form, "source": {"bytes": inline.base64}}


def _document(part: FilePart, place: str) -> JsonObject:
    inline = part.inline
    form = _DOCUMENTS.get(inline.media_type) if inline else None
    if inline is None or form is None:
        lack(f"{place}.file", "has to come along as `file_data`, in a format that Bedrock reads")
    stem = (part.file.filename or "").rpartition(".")[0] or part.file.filename or ""
    name = _NOT_IN_NAMES.sub(" ", stem).strip()[:200]
    return {"format": form, "name": name or "document", "source": {"bytes": inline.base64}}
