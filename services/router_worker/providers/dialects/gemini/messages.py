"""How is a conversation written for Gemini? In contents of parts, which the user's and the model's side take turns in.

Each call comes back with the signature of the thoughts that led to it. Callers have it from us in `extra_content`,
where Google's own layer for OpenAI's clients keeps it, so that clients made for that layer are at home; a signature of
anything else is a block of thought. See ai.google.dev/gemini-api/docs/generate-content/thought-signatures.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import PurePosixPath
from typing import Final

from pydantic import JsonValue

from services.router_worker.providers.chat import (
    Assistant,
    Audio,
    FilePart,
    Image,
    InlineData,
    Part,
    Refused,
    System,
    Text,
    ToolCall,
    ToolResult,
    Turn,
    User,
    arguments_of,
    lack,
)
from services.router_worker.providers.dialects.gemini.generations import Generation
from shared.contracts import JsonObject

__all__ = ["SIGNATURE", "conversation", "signed"]

SIGNATURE: Final = "thought_signature"
"""The kind of a block of thought that holds a signature and nothing else."""

_NAMESPACES: Final = ("google", "vertex")
"""Below `extra_content`; the latter is what the layer of Vertex AI writes."""

_UNSIGNED: Final = "skip_thought_signature_validator"
"""Stands for a signature where another model made the call: the same page, on history that was not Gemini's."""

_PICTURES: Final = {
    ".gif": "image/gif",
    ".heic": "image/heic",
    ".heif": "image/heif",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
}
_DETAILS: Final = {"low": "MEDIA_RESOLUTION_LOW", "high": "MEDIA_RESOLUTION_HIGH"}


def conversation(
    turns: Sequence[Turn], generation: Generation, resume_text: str | None
) -> tuple[list[JsonValue], list[JsonValue]]:
    """The parts of the system instruction, and the contents.

    Instructions in the middle move to the beginning: there is no other place for them.
    """
    places = {id(turn): f"messages[{index}]" for index, turn in enumerate(turns)}
    system: list[JsonValue] = [
        part
        for turn in turns
        if isinstance(turn, System)
        for part in _parts(turn.content, places[id(turn)], generation)
    ]
    names = {call.id: call.function.name for turn in turns if isinstance(turn, Assistant) for call in turn.tool_calls}
    spoken = [turn for turn in turns if not isinstance(turn, System)]
    contents: list[JsonValue] = []
    # Results stand in a content of their own: what a user says behind them begins another turn.
    for kind, side in groupby(spoken, key=type):
        parts: list[JsonValue] = [part for turn in side for part in _turn(turn, places[id(turn)], names, generation)]
        if parts:
            contents.append({"role": "model" if kind is Assistant else "user", "parts": parts})
    if resume_text:
        contents.append({"role": "model", "parts": [{"text": resume_text}]})
    if not contents:
        lack("messages", "has nothing but instructions, to which Gemini has nothing to say")
    return system, contents


def signed(signature: str) -> JsonObject:
    """As it stands beside a tool call in a caller's message."""
    return {"extra_content": {_NAMESPACES[0]: {SIGNATURE: signature}}}


def _turn(turn: Turn, place: str, names: dict[str, str], generation: Generation) -> Iterator[JsonObject]:
    match turn:
        case User() | System():
            yield from _parts(turn.content, place, generation)
        case ToolResult():
            yield _result(turn, place, names)
        case Assistant():
            yield from _reply(turn, place, generation)


def _reply(turn: Assistant, place: str, generation: Generation) -> Iterator[JsonObject]:
    yield from _parts(turn.content, place, generation)
    if turn.refusal:
        yield {"text": turn.refusal}
    for index, image in enumerate(turn.images):
        yield _image(image, f"{place}.images[{index}]", generation)
    for block in turn.thinking_blocks:
        if block.get("type") == SIGNATURE:
            yield {"text": "", "thoughtSignature": block.get("signature")}
    signatures = [_signature(call) for call in turn.tool_calls]
    if signatures and not any(signatures) and generation.wants_signatures:
        signatures[0] = _UNSIGNED
    for index, (call, signature) in enumerate(zip(turn.tool_calls, signatures, strict=True)):
        part = _call(call, f"{place}.tool_calls[{index}]")
        yield {**part, "thoughtSignature": signature} if signature else part


def _signature(call: ToolCall) -> JsonValue:
    for namespace in _NAMESPACES:
        match (call.extra_content or {}).get(namespace):
            case {"thought_signature": str(signature)}:
                return signature
    return None


def _call(call: ToolCall, place: str) -> JsonObject:
    return {"functionCall": {"id": call.id, "name": call.function.name, "args": arguments_of(call, place)}}


def _result(turn: ToolResult, place: str, names: dict[str, str]) -> JsonObject:
    name = turn.name or names.get(turn.tool_call_id)
    if name is None:
        lack(f"{place}.tool_call_id", "belongs to no call in this conversation")
    said: list[str] = []
    shown: list[JsonValue] = []
    for index, part in enumerate(turn.content):
        if isinstance(part, Text):
            said.append(part.text)
            continue
        inline = part.inline if isinstance(part, Image | FilePart) else None
        if inline is None:
            lack(f"{place}.content[{index}]", "has to be a text, or a picture or file that comes along")
        shown.append(_blob(inline))
    response: JsonObject = {"id": turn.tool_call_id, "name": name, "response": {"output": "".join(said)}}
    return {"functionResponse": {**response, "parts": shown} if shown else response}


def _parts(parts: tuple[Part, ...], place: str, generation: Generation) -> Iterator[JsonObject]:
    for index, part in enumerate(parts):
        written = _part(part, f"{place}.content[{index}]", generation)
        if written is not None:
            yield written


def _part(part: Part, place: str, generation: Generation) -> JsonObject | None:
    """None for what says nothing. A mark of caching is heeded in any case: Gemini caches by itself."""
    written: JsonObject | None = None
    match part:
        case Text() if part.text:
            written = {"text": part.text}
        case Refused() if part.refusal:
            written = {"text": part.refusal}
        case Image():
            written = _image(part, place, generation)
        case Audio():
            written = _blob(InlineData(f"audio/{part.input_audio.format}", part.input_audio.data))
        case FilePart():
            if part.inline is None:
                lack(f"{place}.file", "has to come along as `file_data`, a data URL")
            written = _blob(part.inline)
        case Text() | Refused():
            pass
    return written


def _image(part: Image, place: str, generation: Generation) -> JsonObject:
    written = _blob(part.inline) if part.inline else _elsewhere(part.image_url.url, place)
    detail = part.image_url.detail
    if detail in (None, "auto"):
        return written
    if not generation.details or detail not in _DETAILS:
        lack(f"{place}.image_url.detail", "is nothing that this Gemini could be told")
    return {**written, "mediaResolution": {"level": _DETAILS[detail]}}


def _elsewhere(url: str, place: str) -> JsonObject:
    """Gemini fetches it, but wants to be told what it will find: …/docs/generate-content/file-input-methods."""
    path = url.partition("#")[0].partition("?")[0]
    kind = _PICTURES.get(PurePosixPath(path).suffix.lower())
    if kind is None:
        lack(f"{place}.image_url.url", "does not tell by its ending what kind of picture it is, as Gemini has to know")
    return {"fileData": {"mimeType": kind, "fileUri": url}}


def _blob(data: InlineData) -> JsonObject:
    return {"inlineData": {"mimeType": data.media_type, "data": data.base64}}
