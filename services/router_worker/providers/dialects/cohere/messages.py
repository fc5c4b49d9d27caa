"""How is a conversation written for Cohere? Nearly as OpenAI does it; what stands beside calls of tools is a plan."""

from collections.abc import Sequence

from pydantic import JsonValue

from services.router_worker.providers.chat import (
    Assistant,
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
)
from shared.contracts import JsonObject

__all__ = ["THOUGHT", "conversation"]

THOUGHT = "thinking"
"""The kind of a block of thought. Cohere signs none, by which its own are known."""


def conversation(turns: Sequence[Turn], resume_text: str | None) -> list[JsonValue]:
    messages: list[JsonValue] = [_message(turn, f"messages[{index}]") for index, turn in enumerate(turns)]
    return [*messages, {"role": "assistant", "content": resume_text}] if resume_text else messages


def _message(turn: Turn, place: str) -> JsonObject:
    match turn:
        case System():
            return {"role": "system", "content": _texts(turn.content, place)}
        case User():
            return {"role": "user", "content": [_part(part, place, at) for at, part in enumerate(turn.content)]}
        case ToolResult():
            return {"role": "tool", "tool_call_id": turn.tool_call_id, "content": _texts(turn.content, place)}
        case Assistant():
            return _reply(turn, place)


def _reply(turn: Assistant, place: str) -> JsonObject:
    thoughts: list[JsonValue] = [dict(block) for block in turn.thinking_blocks if _is_own(block)]
    said = _texts(turn.content, place)
    if turn.refusal:
        said.append({"type": "text", "text": turn.refusal})
    if not turn.tool_calls:
        return {"role": "assistant", "content": [*thoughts, *said]}
    reply: JsonObject = {"role": "assistant", "tool_calls": [_call(call) for call in turn.tool_calls]}
    if thoughts:
        reply["content"] = thoughts
    if plan := "".join(part.text for part in turn.content if isinstance(part, Text)):
        reply["tool_plan"] = plan
    return reply


def _is_own(block: JsonObject) -> bool:
    return block.get("type") == THOUGHT and "signature" not in block


def _call(call: ToolCall) -> JsonObject:
    function: JsonObject = {"name": call.function.name, "arguments": call.function.arguments}
    return {"id": call.id, "type": "function", "function": function}


def _texts(parts: tuple[Part, ...], place: str) -> list[JsonValue]:
    written: list[JsonValue] = []
    for index, part in enumerate(parts):
        if not isinstance(part, Text | Refused):
            lack(f"{place}.content[{index}]", "has to be a text for Cohere")
        written.append(_part(part, place, index))
    return written


def _part(part: Part, place: str, index: int) -> JsonObject:
    if not isinstance(part, Text | Refused | Image):
        lack(f"{place}.content[{index}]", "is neither text nor picture, which is all that Cohere takes")
    if not isinstance(part, Image):
        return {"type": "text", "text": part.text if isinstance(part, Text) else part.refusal}
    image: JsonObject = {"url": part.image_url.url}
    if part.image_url.detail:
        image["detail"] = part.image_url.detail
    return {"type": "image_url", "image_url": image}
