"""How is a conversation written for Converse? Speech and reply take turns, each in blocks; instructions stand above."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Final

from pydantic import JsonValue

from services.router_worker.providers.chat import (
    Assistant,
    Audio,
    FilePart,
    Image,
    Part,
    Refused,
    System,
    Text,
    ToolCall,
    ToolResult,
    Turn,
    User,
    lack,
    sides,
)
from shared.contracts import JsonObject

__all__ = ["cache_point", "conversation"]

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


def conversation(
    turns: tuple[Turn, ...], resume_text: str | None, *, prefill: bool
) -> tuple[list[JsonValue], list[JsonValue]]:
    """The system prompt and the messages, both in blocks. Instructions in the middle move to the beginning."""
    places = {id(turn): f"messages[{index}]" for index, turn in enumerate(turns)}
    system: list[JsonValue] = []
    for turn in turns:
        if isinstance(turn, System):
            system.extend(_blocks(turn.content, places[id(turn)]))
    spoken = [turn for turn in turns if not isinstance(turn, System)]
    messages: list[JsonValue] = []
    for side in sides(spoken):
        blocks: list[JsonValue] = [block for turn in side.turns for block in _turn(turn, places[id(turn)])]
        if blocks:
            messages.append({"role": "assistant" if side.is_assistant else "user", "content": blocks})
    begun = bool(resume_text) or (bool(spoken) and isinstance(spoken[-1], Assistant))
    if begun and not prefill:
        lack(f"messages[{len(turns) - 1}]", "cannot come last: this model does not go on behind what was begun for it")
    if resume_text:
        # What was begun may not end in white space.
        messages.append({"role": "assistant", "content": [{"text": resume_text.rstrip()}]})
    return system, messages


def cache_point(cache_control: JsonObject | None) -> list[JsonObject]:
    """Anthropic's mark, as a block of its own behind what it marks."""
    if cache_control is None:
        return []
    ttl = cache_control.get("ttl")
    return [{"cachePoint": {"type": "default", **({"ttl": ttl} if ttl else {})}}]


def _turn(turn: Turn, place: str) -> Iterable[JsonObject]:
    match turn:
        case User() | System():
            yield from _blocks(turn.content, place)
        case ToolResult():
            content: list[JsonValue] = [*_blocks(turn.content, place)]
            yield {"toolResult": {"toolUseId": turn.tool_call_id, "content": content}}
        case Assistant():
            yield from (thought for block in turn.thinking_blocks if (thought := _thought(block)))
            yield from _blocks(turn.content, place)
            if turn.refusal:
                yield {"text": turn.refusal}
            for index, call in enumerate(turn.tool_calls):
                yield _use(call, f"{place}.tool_calls[{index}]")


def _thought(block: JsonObject) -> JsonObject | None:
    """None for thoughts of other families, which lack what would make them genuine here."""
    match block:
        case {"type": "thinking", "thinking": str(text), "signature": str(signature)} if signature:
            return {"reasoningContent": {"reasoningText": {"text": text, "signature": signature}}}
        case {"type": "redacted_thinking", "data": str(data)} if data:
            return {"reasoningContent": {"redactedContent": data}}
        case _:
            return None


def _use(call: ToolCall, place: str) -> JsonObject:
    try:
        arguments = json.loads(call.function.arguments or "{}")
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict):
        lack(f"{place}.function.arguments", "is no JSON object")
    return {"toolUse": {"toolUseId": call.id, "name": call.function.name, "input": arguments}}


def _blocks(parts: tuple[Part, ...], place: str) -> Iterable[JsonObject]:
    """What says nothing is left out: an empty block is an error there."""
    for index, part in enumerate(parts):
        here = f"{place}.content[{index}]"
        match part:
            case Text():
                if part.text:
                    yield {"text": part.text}
                    yield from cache_point(part.cache_control)
            case Refused():
                if part.refusal:
                    yield {"text": part.refusal}
            case Image():
                yield {"image": _image(part, here)}
                yield from cache_point(part.cache_control)
            case FilePart():
                yield {"document": _document(part, here)}
                yield from cache_point(part.cache_control)
            case Audio():
                lack(here, "is sound, which is not sent to Bedrock")


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
