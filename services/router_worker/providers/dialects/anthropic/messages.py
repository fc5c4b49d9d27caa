"""How is a conversation written for Claude? Speech and reply take turns, each in blocks; instructions stand above."""

import json
from collections.abc import Iterable
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
from services.router_worker.providers.dialects.anthropic.models import Claude
from shared.contracts import JsonObject

__all__ = ["conversation", "marked"]

_THOUGHTS: Final = {"thinking": "signature", "redacted_thinking": "data"}
"""Kinds of blocks that are Claude's own thoughts, and what makes them genuine. Those of other families stay here."""


def conversation(
    turns: tuple[Turn, ...], claude: Claude, resume_text: str | None
) -> tuple[list[JsonValue], list[JsonValue]]:
    """The system prompt and the messages, both in blocks.

    Instructions in the middle move to the beginning, as in Anthropic's own layer for OpenAI's clients
    (platform.claude.com/docs/en/api/openai-sdk).
    """
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
    if begun and not claude.prefill:
        lack(f"messages[{len(turns) - 1}]", "cannot come last: this Claude does not go on behind what was begun for it")
    if resume_text:
        # A prefill may not end in white space.
        messages.append({"role": "assistant", "content": [{"type": "text", "text": resume_text.rstrip()}]})
    return system, messages


def marked(block: JsonObject, cache_control: JsonObject | None) -> JsonObject:
    return block if cache_control is None else {**block, "cache_control": cache_control}


def _turn(turn: Turn, place: str) -> Iterable[JsonObject]:
    match turn:
        case User() | System():
            yield from _blocks(turn.content, place)
        case ToolResult():
            content: list[JsonValue] = [*_blocks(turn.content, place)]
            yield {"type": "tool_result", "tool_use_id": turn.tool_call_id, "content": content}
        case Assistant():
            yield from (dict(block) for block in turn.thinking_blocks if _is_genuine(block))
            yield from _blocks(turn.content, place)
            if turn.refusal:
                yield {"type": "text", "text": turn.refusal}
            for index, call in enumerate(turn.tool_calls):
                yield _use(call, f"{place}.tool_calls[{index}]")


def _is_genuine(block: JsonObject) -> bool:
    proof = _THOUGHTS.get(str(block.get("type")))
    return proof is not None and bool(block.get(proof))


def _use(call: ToolCall, place: str) -> JsonObject:
    try:
        arguments = json.loads(call.function.arguments or "{}")
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict):
        lack(f"{place}.function.arguments", "is no JSON object")
    return {"type": "tool_use", "id": call.id, "name": call.function.name, "input": arguments}


def _blocks(parts: tuple[Part, ...], place: str) -> Iterable[JsonObject]:
    for index, part in enumerate(parts):
        block = _block(part, f"{place}.content[{index}]")
        if block is not None:
            yield block


def _block(part: Part, place: str) -> JsonObject | None:
    """None for what says nothing: an empty block is an error there."""
    block: JsonObject | None = None
    match part:
        case Text() if part.text:
            block = marked({"type": "text", "text": part.text}, part.cache_control)
        case Refused() if part.refusal:
            block = {"type": "text", "text": part.refusal}
        case Image():
            block = marked({"type": "image", "source": _image(part, place)}, part.cache_control)
        case FilePart():
            block = marked(_document(part, place), part.cache_control)
        case Audio():
            lack(place, "is sound, which Claude does not hear")
        case Text() | Refused():
            pass
    return block


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
